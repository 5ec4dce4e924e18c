// The six exhibits. Each gets its networks and arrays, and a panel whose controls it adds; it returns what draws.

const exhibits = {
  vae({ networks: { decoder }, arrays, about, faces }, panel, put) {
    const count = arrays.shown.shape[0], latent = arrays.shown.shape[1];
    const main = picture("face", faces, 4);
    const from = ["a test face", "N(0, I)", "one Gaussian", "twenty Gaussians"];
    const length = (k) => dot(arrays.along.values, k * latent, arrays.along.values, k * latent, latent);
    const attributes = about.names.map((name, k) => [name, k]).sort((a, b) => length(b[1]) - length(a[1]));  // what codes tell most of
    const slider = ([name, k]) => panel.slider(`a${k}`, name.replaceAll("_", " "), { min: -2, max: 2 });
    put("pictures", withCaption(main, "decoded"));
    put("controls",
      panel.choice("from", "Begin with", from), panel.another(),
      panel.slider("morph", "towards the next face", { min: 0, max: 1 }),
      ...attributes.slice(0, 6).map(slider));
    put("more",
      ...attributes.slice(6).map(slider),
      ...Array.from({ length: arrays.principal.shape[0] }, (_, k) =>
        panel.slider(`p${k}`, `principal direction ${k + 1}`, { min: -3, max: 3 })));

    const begin = (seed) => {
      const u = normal(seed, latent);
      if (panel.state.from === 0) return row(arrays.shown, seed % count);
      if (panel.state.from === 1) return u;
      if (panel.state.from === 3) return row(arrays.mixture, seed % arrays.mixture.shape[0]);
      return u.map((_, i) => arrays.mean.values[i] + dot(arrays.factor.values, i * latent, u, 0, latent));
    };
    return () => {
      const { seed, morph } = panel.state;
      const moves = about.names.map((_, k) => [panel.state[`a${k}`], row(arrays.along, k)]);
      for (let k = 0; k < arrays.principal.shape[0]; k++) moves.push([panel.state[`p${k}`], row(arrays.principal, k)]);
      const z = combined([1 - morph, begin(seed)], [morph, begin(seed + 1)], ...moves);
      paint(main, decoder(z), `A face from ${from[panel.state.from]}, number ${seed + 1}, as the sliders move it.`);
    };
  },

  kl({ networks, arrays, faces }, panel, put) {
    const weights = ["1", "100", "0"], latent = arrays["1"].shape[1], count = arrays["1"].shape[0];
    const canvases = weights.map((weight) => picture(`weight ${weight}`, faces, 3));
    canvases.forEach((canvas, i) => put("pictures", withCaption(canvas, `KL × ${weights[i]}`)));
    put("controls",
      panel.choice("from", "z is", ["drawn from N(0, I)", "the code of a test face"]), panel.another(),
      panel.slider("size", "length of z", { min: 0, max: 3, value: 1 }),
      panel.slider("turn", "turned towards another z", { min: 0, max: 1 }));
    return () => {
      const { from, seed, size, turn } = panel.state, angle = (turn * Math.PI) / 2;
      weights.forEach((weight, i) => {
        const of = (k) => (from ? row(arrays[weight], k % count) : normal(k, latent));
        const z = combined([size * Math.cos(angle), of(seed)], [size * Math.sin(angle), of(seed + 1)]);
        paint(canvases[i], networks[weight](z), `What the decoder of weight ${weight} makes of z.`);
      });
    };
  },

  cvae({ networks, arrays, flow, digits }, panel, put) {
    const map = element("canvas", { width: 240, height: 240, className: "map", "aria-hidden": true });
    const one = picture("digit", digits, 8);
    const ten = Array.from({ length: 10 }, (_, label) => picture(`handwriting ${label}`, digits, 2));
    put("pictures", withCaption(map, "the plane of z: drag"), withCaption(one, "decoded for the label"));
    put("controls",
      panel.choice("label", "Label", [...Array(10).keys()].map(String), 2),
      panel.slider("z1", "z₁", { min: -3, max: 3 }), panel.slider("z2", "z₂", { min: -3, max: 3 }));
    put("below", element("h3", {}, "Twenty dimensions: one handwriting, ten digits"),
      element("div", { className: "sheet" }, ...ten), panel.another("Another handwriting"),
      ...[0, 1, 2].map((k) => panel.slider(`u${k}`, `direction ${k + 1} of u`, { min: -3, max: 3 })));

    const move = (event) => {
      const box = map.getBoundingClientRect();
      const place = (at, low, size) => Math.max(-3, Math.min(3, ((at - low) / size) * 6 - 3));
      panel.state.z1 = place(event.clientX, box.left, box.width);
      panel.fields.z1(panel.state.z1);
      panel.put("z2", -place(event.clientY, box.top, box.height));
    };
    map.addEventListener("pointerdown", (event) => { map.setPointerCapture(event.pointerId); move(event); });
    map.addEventListener("pointermove", (event) => { if (event.buttons) move(event); });

    const drawMap = (label, z1, z2) => {
      const context = map.getContext("2d"), style = getComputedStyle(map);
      const at = (value) => ((value + 3) / 6) * map.width;
      context.clearRect(0, 0, map.width, map.height);
      for (let i = 0; i < arrays.labels.values.length; i++) {
        context.fillStyle = Math.round(arrays.labels.values[i]) === label ? style.color : style.borderColor;
        const [x, y] = row(arrays.codes, i);
        context.fillRect(at(x) - 1, at(-y) - 1, 3, 3);
      }
      context.strokeStyle = style.outlineColor;
      context.lineWidth = 3;
      context.beginPath();
      context.arc(at(z1), at(-z2), 7, 0, 2 * Math.PI);
      context.stroke();
    };
    return () => {
      const { label, z1, z2, seed } = panel.state;
      drawMap(label, z1, z2);
      paint(one, networks.plane(joined([z1, z2], oneHot(label, 10))), `The digit ${label} at z = (${z1.toFixed(2)}, ${z2.toFixed(2)}).`);
      const u = normal(seed, arrays.means.shape[1]);
      for (let k = 0; k < 3; k++) u[k] += panel.state[`u${k}`];
      ten.forEach((canvas, digit) => {
        paint(canvas, networks.conv(joined(flow(u, digit), oneHot(digit, 10))), `The digit ${digit} in this handwriting.`);
      });
    };
  },

  gan({ networks: { generator }, inputs, faces }, panel, put) {
    const main = picture("face", faces, 4);
    put("pictures", withCaption(main, "drawn from noise"));
    const ahead = (degrees) => panel.put("turn", (panel.state.turn + degrees) % 360);
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    let playing = 0;
    const step = () => {
      ahead(2);
      playing = requestAnimationFrame(step);
    };
    const play = panel.button(still ? "A step" : "Walk", () => {
      if (still) return ahead(20);
      const walks = play.getAttribute("aria-pressed") === "true";
      play.setAttribute("aria-pressed", !walks);
      if (walks) cancelAnimationFrame(playing); else step();
    });
    if (!still) play.setAttribute("aria-pressed", false);
    put("controls", panel.another(), play,
      panel.slider("turn", "place on the circle, degrees", { min: 0, max: 360, step: 1 }),
      panel.slider("size", "truncation: length of the noise", { min: 0, max: 1.5, value: 1 }));
    return () => {
      const { seed, turn, size } = panel.state, angle = (turn * Math.PI) / 180;
      const z = combined([size * Math.cos(angle), normal(seed, inputs.generator)], [size * Math.sin(angle), normal(seed + 5000, inputs.generator)]);
      paint(main, generator(z), `A face drawn from noise ${seed + 1}, at ${turn} degrees of a circle.`);
    };
  },

  acgan({ networks: { generator }, arrays, about, faces }, panel, put) {
    const names = ["as it was", "now", "what changed"];
    const canvases = names.map((name) => picture(name, faces, 3));
    canvases.forEach((canvas, i) => put("pictures", withCaption(canvas, names[i])));
    put("controls", panel.another(),
      ...about.told.map((name, k) => panel.slider(`a${k}`, `${name.replaceAll("_", " ")}: switched`, { min: 0, max: 1 })));
    const list = element("ul", { className: "bars" });
    put("below", element("h3", {}, "What else changes with it, of pairs in this run"), list);
    about.told.forEach((name, k) => {
      const shares = about.names.map((other, j) => [other, arrays.changed.values[k * about.names.length + j]])
        .filter(([other]) => other !== name).sort((a, b) => b[1] - a[1]).slice(0, 3);
      const said = shares.map(([other, share]) => `${other} ${Math.round(100 * share)} %`).join(", ");
      list.append(element("li", {}, `${name}: ${said}`.replaceAll("_", " ")));
    });
    let before, drawnFor;
    return () => {
      const { seed } = panel.state, asked = row(arrays.asked, seed % arrays.asked.shape[0]);
      const given = (share) => joined(normal(seed, about.noise), [...asked].flatMap((has, k) => {
        const now = has + share * panel.state[`a${k}`] * (1 - 2 * has);
        return [1 - now, now];
      }));
      if (drawnFor !== seed) [before, drawnFor] = [generator(given(0)), seed];
      const now = generator(given(1));
      const change = { ...now, data: now.data.map((v, i) => Math.min(1, Math.max(0, 0.5 + 1.5 * (v - before.data[i])))) };
      const said = about.told.map((name, k) => `${name.replaceAll("_", " ")} ${asked[k] ? "on" : "off"}`).join(", ");
      [before, now, change].forEach((one, i) => paint(canvases[i], one, `${names[i]}: a face that began with ${said}.`));
    };
  },

  infogan({ networks, about, faces, digits }, panel, put) {
    const eight = [...Array(8).keys()], [two, many] = about.sizes;
    const rows = ["code 2-way", "digits"].map((name, k) => eight.map((i) => picture(`${name} ${i}`, k ? digits : faces, k ? 3 : 2)));
    put("pictures", element("div", { className: "sheet" }, ...rows[0]));
    put("controls", panel.another("Eight others"),
      panel.choice("two", `${two}-way code`, [...Array(two).keys()].map((k) => String(k + 1))),
      panel.choice("many", `${many}-way code`, [...Array(many).keys()].map((k) => String(k + 1))));
    put("below", element("h3", {}, "Digits: one code of ten, two that slide"),
      element("div", { className: "sheet" }, ...rows[1]),
      panel.choice("digit", "10-way code, by the digit it stands for", [...Array(10).keys()].map(String), 3),
      panel.slider("first", "first continuous code (−1 to 1 in training)", { min: -2, max: 2 }),
      panel.slider("second", "second continuous code (−1 to 1 in training)", { min: -2, max: 2 }));
    const noise = (i, n) => normal(8 * panel.state.seed + i, n);
    const face = (i, a, b) => {
      const drawn = networks.faces(joined(noise(i, about.noise.faces), oneHot(a, two), oneHot(b, many)));
      paint(rows[0][i], drawn, `Face ${i + 1} with codes ${a + 1} and ${b + 1}.`);
    };
    let shown = "";
    const faceByFace = (i, key, a, b) => {  // so that the page answers between two of them
      if (key !== shown || i === eight.length) return;
      face(i, a, b);
      setTimeout(() => faceByFace(i + 1, key, a, b));
    };
    return () => {
      const { seed, two: a, many: b, digit, first, second } = panel.state;
      const key = [seed, a, b].join();
      if (key !== shown) {
        shown = key;
        faceByFace(0, key, a, b);
      }
      eight.forEach((i) => {
        const code = oneHot(about.classes.indexOf(digit), 10);
        const drawn = networks.digits(joined(noise(i, about.noise.digits), code, [first, second]));
        paint(rows[1][i], drawn, `Digit ${i + 1} with the code that stands for ${digit}.`);
      });
    };
  },
};
