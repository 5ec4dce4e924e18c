// Networks as lists of layers: the same sums as lab_utils/explore/layers.py, in plain loops.
// A picture is a Float32Array with its channels side by side at each pixel: (y * width + x) * channels + c.

// Numbers as they are stored (lab_utils/explore/stored.py): whole ones of 8 or 16 bits, and what one is worth.
function numbers(entry, bytes) {
  const { shape, bits, scale, at, length } = entry;
  const count = shape.reduce((a, b) => a * b, 1);
  const out = new Float32Array(count);
  if (bits === 16) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + at, length);
    for (let i = 0; i < count; i++) out[i] = view.getInt16(2 * i, true) * scale;
    return out;
  }
  const whole = new Int8Array(bytes.buffer, bytes.byteOffset + at, length);
  const view = new DataView(bytes.buffer, bytes.byteOffset + entry.scales_at, entry.scales_length);
  const inner = shape.slice(entry.axis + 1).reduce((a, b) => a * b, 1);  // numbers between two places on the axis
  for (let i = 0; i < count; i++) {
    out[i] = whole[i] * view.getFloat32(4 * (Math.floor(i / inner) % shape[entry.axis]), true);
  }
  return out;
}

// Each maker prepares its weights once and returns what turns {data, channels, side} into another; a plain vector
// has side 0 and as many channels as numbers.
const makers = {
  linear(layer, load) {
    const [outputs, inputs] = layer.weight.shape;
    const weight = load(layer.weight), bias = layer.bias ? load(layer.bias) : new Float32Array(outputs);
    return ({ data }) => {
      const out = new Float32Array(outputs);
      for (let o = 0; o < outputs; o++) out[o] = bias[o] + dot(weight, o * inputs, data, 0, inputs);
      return { data: out, channels: outputs, side: 0 };
    };
  },
  reshape(layer) {
    const [channels, side] = layer.shape, area = side * side;
    return ({ data }) => {
      const out = new Float32Array(data.length);
      for (let c = 0; c < channels; c++) for (let i = 0; i < area; i++) out[i * channels + c] = data[c * area + i];
      return { data: out, channels, side };
    };
  },
  norm(layer, load) {  // over a whole picture
    const weight = load(layer.weight), bias = load(layer.bias);
    return ({ data, channels, side }) => {
      let sum = 0, squares = 0;
      for (const value of data) sum += value;
      const mean = sum / data.length;
      for (const value of data) squares += (value - mean) * (value - mean);
      const by = 1 / Math.sqrt(squares / data.length + layer.eps);
      return { data: data.map((v, i) => (v - mean) * by * weight[i % channels] + bias[i % channels]), channels, side };
    };
  },
  affine(layer, load) {
    const weight = load(layer.weight), bias = load(layer.bias);
    return each((v, i, channels) => v * weight[i % channels] + bias[i % channels]);
  },
  transposed(layer, load) {  // 4×4, stride 2, padding 1: each output pixel sees two rows and two columns
    const [inputs, outputs] = layer.weight.shape, bias = load(layer.bias);
    const kernels = byPlace(load(layer.weight), outputs, inputs, 16, (o, i, k) => (i * outputs + o) * 16 + k);
    return ({ data, side }) => {
      const wide = 2 * side, out = new Float32Array(wide * wide * outputs);
      const taps = (to) => (to % 2 ? [[(to - 1) / 2, 2], [(to + 1) / 2, 0]] : [[to / 2, 1], [to / 2 - 1, 3]])
        .filter(([from]) => from >= 0 && from < side);  // pixel that is seen, and place in the kernel
      for (let y = 0; y < wide; y++) {
        for (let x = 0; x < wide; x++) {
          const seen = taps(y).flatMap(([sy, ky]) => taps(x).map(([sx, kx]) => [(sy * side + sx) * inputs, ky * 4 + kx]));
          gather(out, (y * wide + x) * outputs, outputs, bias, seen, kernels, data, inputs);
        }
      }
      return { data: out, channels: outputs, side: wide };
    };
  },
  convolution(layer, load) {  // 3×3, padding 1
    const [outputs, inputs] = layer.weight.shape, bias = load(layer.bias);
    const kernels = byPlace(load(layer.weight), outputs, inputs, 9, (o, i, k) => (o * inputs + i) * 9 + k);
    return ({ data, side }) => {
      const out = new Float32Array(side * side * outputs);
      for (let y = 0; y < side; y++) {
        for (let x = 0; x < side; x++) {
          const seen = [];
          for (let k = 0; k < 9; k++) {
            const sy = y + Math.floor(k / 3) - 1, sx = x + (k % 3) - 1;
            if (sy >= 0 && sy < side && sx >= 0 && sx < side) seen.push([(sy * side + sx) * inputs, k]);
          }
          gather(out, (y * side + x) * outputs, outputs, bias, seen, kernels, data, inputs);
        }
      }
      return { data: out, channels: outputs, side };
    };
  },
  mix(layer, load) {  // of channels, at each pixel
    const [outputs, inputs] = layer.weight.shape, weight = load(layer.weight);
    return ({ data, side }) => {
      const out = new Float32Array(side * side * outputs);
      for (let i = 0; i < side * side; i++) {
        for (let o = 0; o < outputs; o++) out[i * outputs + o] = dot(weight, o * inputs, data, i * inputs, inputs);
      }
      return { data: out, channels: outputs, side };
    };
  },
  repeat() {
    return ({ data, channels, side }) => enlarged(data, channels, side, (y, x, c) => {
      return data[((y >> 1) * side + (x >> 1)) * channels + c];
    });
  },
  smooth() {  // bilinear, as torch does it without align_corners
    return ({ data, channels, side }) => {
      const near = (to) => {
        const from = Math.max(0, (to + 0.5) / 2 - 0.5), low = Math.floor(from);
        return [low, Math.min(low + 1, side - 1), from - low];
      };
      return enlarged(data, channels, side, (y, x, c) => {
        const [y0, y1, v] = near(y), [x0, x1, u] = near(x);
        const at = (sy, sx) => data[(sy * side + sx) * channels + c];
        return (1 - v) * ((1 - u) * at(y0, x0) + u * at(y0, x1)) + v * ((1 - u) * at(y1, x0) + u * at(y1, x1));
      });
    };
  },
  leaky: ({ slope }) => each((v) => (v < 0 ? v * slope : v)),
  tanh: () => each(Math.tanh),
  sigmoid: () => each((v) => 1 / (1 + Math.exp(-v))),
  scale: ({ by, plus }) => each((v) => v * by + plus),
  clamp: ({ low, high }) => each((v) => Math.min(high, Math.max(low, v))),
  sum(layer, load) {
    const parts = layer.parts.map((part) => network(part, load));
    return (input) => {
      const [first, ...others] = parts.map((part) => part(input));
      for (const { data } of others) for (let i = 0; i < data.length; i++) first.data[i] += data[i];
      return first;
    };
  },
};

function each(change) {
  return ({ data, channels, side }) => ({ data: data.map((v, i) => change(v, i, channels)), channels, side });
}

function dot(a, i, b, j, n) {
  let sum = 0;
  for (let k = 0; k < n; k++) sum += a[i + k] * b[j + k];
  return sum;
}

// Weights with the inputs of one output at one place of the kernel side by side: places × outputs × inputs.
function byPlace(weight, outputs, inputs, places, index) {
  const sorted = new Float32Array(weight.length);
  for (let k = 0; k < places; k++) {
    for (let o = 0; o < outputs; o++) {
      for (let i = 0; i < inputs; i++) sorted[(k * outputs + o) * inputs + i] = weight[index(o, i, k)];
    }
  }
  return sorted;
}

// All channels of one output pixel from the input pixels that it sees, each at its place of the kernel.
function gather(out, at, outputs, bias, seen, kernels, data, inputs) {
  for (let o = 0; o < outputs; o++) {
    let sum = bias[o];
    for (const [from, place] of seen) sum += dot(kernels, (place * outputs + o) * inputs, data, from, inputs);
    out[at + o] = sum;
  }
}

function enlarged(data, channels, side, value) {
  const wide = 2 * side, out = new Float32Array(wide * wide * channels);
  for (let y = 0; y < wide; y++) {
    for (let x = 0; x < wide; x++) {
      for (let c = 0; c < channels; c++) out[(y * wide + x) * channels + c] = value(y, x, c);
    }
  }
  return { data: out, channels, side: wide };
}

// A list of layers as a function of {data, channels, side}.
function network(layers, load) {
  const steps = layers.map((layer) => {
    if (!Object.hasOwn(makers, layer.op)) throw new Error(`no such layer: ${layer.op}`);
    return makers[layer.op](layer, load);
  });
  return (input) => steps.reduce((value, step) => step(value), input);
}

// What the label prior makes of u for a label (lab_utils.models.prior.LabelPrior.decode).
function labelPrior(flow, means, roots, load) {
  const couplings = flow.map(({ order, layers }) => ({ order, parts: network(layers, load) }));
  return (u, label) => {
    const n = u.length, half = n >> 1;
    let now = Float32Array.from(u);
    for (const { order, parts } of couplings) {
      const given = new Float32Array(half + 10);
      for (let i = 0; i < half; i++) given[i] = now[order[i]];
      given[half + label] = 1;
      const { data } = parts({ data: given, channels: given.length, side: 0 });
      const next = Float32Array.from(now);
      for (let i = 0; i < n - half; i++) {
        next[order[half + i]] = now[order[half + i]] * Math.exp(-Math.tanh(data[n - half + i])) - data[i];
      }
      now = next;
    }
    return now.map((_, i) => means[label * n + i] + dot(roots, (label * n + i) * n, now, 0, n));
  };
}
