// Unpacks what the page carries and brings the exhibits to life, the one that the address names first.

async function unpacked(id) {
  const text = document.getElementById(id).textContent.trim();
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const head = new DataView(bytes.buffer).getUint32(0, true);  // bytes of JSON, then numbers
  return [JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + head))), bytes.subarray(4 + head)];
}

async function awake(id) {
  const [{ networks, arrays, about }, bytes] = await unpacked(`data-${id}`);
  const load = (entry) => numbers(entry, bytes);
  const found = { networks: {}, arrays: {}, inputs: {}, about, load };
  for (const [name, one] of Object.entries(networks)) {
    const compute = network(one.layers, load);
    found.networks[name] = (data) => compute({ data, channels: data.length, side: 0 });
    found.inputs[name] = one.inputs;
    found[one.shape[0] === 3 ? "faces" : "digits"] = one.shape[1];
  }
  for (const [name, entry] of Object.entries(arrays)) found.arrays[name] = { shape: entry.shape, values: load(entry) };
  if (about.flow) {
    found.flow = labelPrior(about.flow, found.arrays.means.values, found.arrays.roots.values, load);
  }
  return found;
}

const lab = { panels: {}, found: {}, times: {} };

async function show(id) {
  const place = document.getElementById(id);
  const panel = new Panel(id, place, () => {});
  lab.found[id] = await awake(id);
  const draw = exhibits[id](lab.found[id], panel, (where, ...nodes) => place.querySelector(`.${where}`).append(...nodes));
  panel.changed = () => {
    const at = performance.now();
    draw();
    lab.times[id] = performance.now() - at;
  };
  lab.panels[id] = panel;
  place.querySelector(".controls").append(panel.save(), panel.reset());
  recall(lab.panels);
  panel.changed();
  place.querySelector(".waiting").remove();
  lab.times.first ??= performance.now();  // since the page was opened
}

async function start() {
  const ids = [...document.querySelectorAll("section.exhibit")].map((one) => one.id);
  const wanted = location.hash.slice(1).split("?")[0];
  let touched = false;
  for (const kind of ["wheel", "pointerdown", "keydown"]) window.addEventListener(kind, () => { touched = true; }, { once: true });
  for (const id of [...ids].sort((a, b) => (b === wanted) - (a === wanted))) {
    await show(id);
    if (ids.includes(wanted) && !touched) document.getElementById(wanted).scrollIntoView();  // what lies above has grown
    await new Promise((next) => setTimeout(next));  // let the page answer between two
  }
  window.addEventListener("hashchange", () => {
    const id = recall(lab.panels);
    if (id) lab.panels[id].changed();
  });
  document.documentElement.dataset.ready = "yes";
}

window.lab = lab;
start();
