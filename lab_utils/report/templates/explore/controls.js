// Small pieces that the exhibits are made of: elements, random numbers, pictures, and the state in the address.

function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value; else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// Standard normal numbers that a seed decides (mulberry32, then Box and Muller).
function normal(seed, n) {
  let state = Math.imul(seed + 1, 0x9e3779b9) >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (((t ^ (t >>> 14)) >>> 0) + 0.5) / 4294967296;
  };
  return Float32Array.from({ length: n }, () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()));
}

function combined(...terms) {  // of [weight, vector]
  const out = new Float32Array(terms[0][1].length);
  for (const [weight, vector] of terms) for (let i = 0; i < out.length; i++) out[i] += weight * vector[i];
  return out;
}

const row = (array, index) => array.values.subarray(index * array.shape[1], (index + 1) * array.shape[1]);
const joined = (...vectors) => Float32Array.from(vectors.flatMap((vector) => [...vector]));
const oneHot = (index, n) => Float32Array.from({ length: n }, (_, i) => (i === index ? 1 : 0));

// A picture on a canvas of its own size, which the style enlarges by a whole factor.
function picture(name, side, times) {
  const canvas = element("canvas", { width: side, height: side, role: "img" });
  canvas.style.width = `${side * times * (side === 32 ? 2 : 1)}px`;  // faces of half the side are shown as large
  canvas.dataset.name = name;
  return canvas;
}

function paint(canvas, { data, channels, side }, said) {
  const context = canvas.getContext("2d"), image = context.createImageData(side, side);
  for (let i = 0; i < side * side; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = 255 * data[i * channels + (channels === 3 ? c : 0)];
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  canvas.setAttribute("aria-label", said);
}

const withCaption = (canvas, text) => element("figure", {}, canvas, element("figcaption", {}, text));

// The controls of one exhibit. `state` holds their values by name, which the address takes over; `changed` draws.
class Panel {
  constructor(id, place, changed) {
    Object.assign(this, { id, place, changed, state: {}, fields: {}, defaults: {} });
  }

  add(name, value, node, set) {
    this.state[name] = this.defaults[name] = value;
    this.fields[name] = set;
    set(value);
    return node;
  }

  put(name, value) {
    this.state[name] = value;
    this.fields[name](value);
    this.soon();
  }

  soon() {  // draws once for all that changes before the next frame
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = null;
      this.changed();
      remember(this);
    });
  }

  slider(name, label, { min, max, step = 0.05, value = 0 }) {
    const shown = element("output"), input = element("input", { type: "range", min, max, step });
    input.addEventListener("input", () => this.put(name, Number(input.value)));
    return this.add(name, value, element("label", { className: "slider" }, element("span", {}, label), input, shown), (to) => {
      input.value = to;
      shown.value = Number(to.toFixed(2));
    });
  }

  button(label, act, name = "") {
    const made = element("button", { type: "button" }, label);
    if (name) made.setAttribute("aria-label", name);
    made.addEventListener("click", act);
    return made;
  }

  another(label = "Another") {  // a new seed
    const node = this.button(label, () => this.put("seed", (this.state.seed + 1) % 10000));
    return this.add("seed", 0, node, () => {});
  }

  choice(name, label, options, value = 0) {  // buttons of which one is pressed
    const buttons = options.map((text, index) => this.button(text, () => this.put(name, index), `${label}: ${text}`));
    const group = element("div", { className: "choice", role: "group", "aria-label": label }, element("span", {}, label), ...buttons);
    return this.add(name, value, group, (to) => {
      buttons.forEach((button, index) => button.setAttribute("aria-pressed", index === to));
    });
  }

  save() {
    return this.button("Save the picture", () => {
      const canvases = [...this.place.querySelectorAll("canvas:not(.map)")], side = canvases[0].width, times = 4;
      const sheet = element("canvas", { width: side * times * canvases.length, height: side * times });
      canvases.forEach((one, i) => sheet.getContext("2d").drawImage(one, i * side * times, 0, side * times, side * times));
      element("a", { href: sheet.toDataURL("image/png"), download: `${this.id}.png` }).click();
    });
  }

  reset() {
    return this.button("As it was", () => {
      for (const [name, value] of Object.entries(this.defaults)) {
        this.state[name] = value;
        this.fields[name](value);
      }
      this.soon();
    });
  }
}

// #acgan?seed=3&Male=0.5: the exhibit, and what is not as it is at first.
function remember({ id, state, defaults }) {
  const moved = Object.entries(state).filter(([name, value]) => value !== defaults[name]);
  const said = new URLSearchParams(moved.map(([name, value]) => [name, Number(value.toFixed(3))])).toString();
  history.replaceState(null, "", `#${id}${said ? `?${said}` : ""}`);
}

function recall(panels) {
  const [id, said = ""] = decodeURIComponent(location.hash.slice(1)).split("?");
  const panel = panels[id];
  if (!panel) return null;
  const told = new URLSearchParams(said);
  for (const [name, usual] of Object.entries(panel.defaults)) {
    const value = told.has(name) ? Number(told.get(name)) : usual;
    panel.state[name] = Number.isFinite(value) ? value : usual;
    panel.fields[name](panel.state[name]);
  }
  return id;
}
