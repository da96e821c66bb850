"use strict";
// Frames and curves from the factors: |U φ| with φ a cell of the temporal tensor, or a column of the measured basis.

/** Fields of the page's record become arrays; each is decoded once, when it is first wanted. */
class Fields {
  /** `textOf(id)` gives the base64 of an element. */
  constructor(textOf) {
    this.textOf = textOf;
    this.known = new Map();
  }

  of(record) {
    if (!this.known.has(record.id)) this.known.set(record.id, this.decoded(record));
    return this.known.get(record.id);
  }

  decoded(record) {
    const values = decode(this.textOf(record.id), record.kind);
    const { scales } = record;
    if (!scales) return values;
    const size = values.length / scales.length;
    for (let k = 0; k < scales.length; k++) for (let i = k * size; i < (k + 1) * size; i++) values[i] *= scales[k];
    return values;
  }
}

/** A temporal model: its tensor, or its basis at the spokes, or both. */
class TemporalModel {
  constructor(record, fields) {
    this.record = record;
    this.fields = fields;
    const { tensor, basis } = record;
    this.rank = (tensor ? tensor.core : basis).shape[0];
    this.sizes = tensor ? ["cardiac", "respiratory", "recovery"].map((name) => tensor[name].shape[1]) : [1, 1, 1];
    this.columns = basis ? basis.shape[basis.shape.length - 1] : 0;
    this.isComplex = Boolean(basis) && basis.shape.length === 3;
    this.pulses = tensor ? Array.from(fields.of(tensor.imaging_pulses)) : [0];
    this.meta = record.meta || {};
  }

  get hasTensor() {
    return Boolean(this.record.tensor);
  }

  get sequence() {
    const { RepetitionTimeMs, FlipAngleDeg, DelayMs, Pulses } = this.meta;
    return FlipAngleDeg === undefined ? null : new InversionRecovery(RepetitionTimeMs, FlipAngleDeg, DelayMs, Pulses);
  }

  timesS() {
    return this.record.timeS ? this.fields.of(this.record.timeS) : null;
  }

  /** Row of a factor at a bin or pulse: one value for each component. */
  row(name, bin) {
    const [components, size] = this.record.tensor[name].shape;
    const values = this.fields.of(this.record.tensor[name]);
    return Float64Array.from({ length: components }, (_, i) => values[i * size + bin]);
  }

  /** φ[l] = Σ_abt G[l,a,b,t] U_c[c,a] U_r[r,b] U_τ[pulse,t]: {re, im: null}. */
  cell(cardiac, respiratory, pulse) {
    const mixing = this.recoveryOf(cardiac, respiratory);
    const recovery = this.row("recovery", pulse);
    const orders = recovery.length;
    const re = new Float64Array(this.rank);
    for (let l = 0; l < this.rank; l++) for (let t = 0; t < orders; t++) re[l] += mixing[l * orders + t] * recovery[t];
    return { re, im: null };
  }

  /** φ at some [cardiac, respiratory] bins of one pulse: the sum over t is made once for all. */
  cellsOf(bins, pulse) {
    const [rank, beats, breaths, orders] = this.record.tensor.core.shape;
    const core = this.fields.of(this.record.tensor.core);
    const recovery = this.row("recovery", pulse);
    const summed = new Float64Array(rank * beats * breaths);
    for (let i = 0; i < summed.length; i++) for (let t = 0; t < orders; t++) summed[i] += core[i * orders + t] * recovery[t];
    return bins.map(([cardiac, respiratory]) => {
      const [heart, breath] = [this.row("cardiac", cardiac), this.row("respiratory", respiratory)];
      const re = new Float64Array(rank);
      let i = 0;
      for (let l = 0; l < rank; l++)
        for (let a = 0; a < beats; a++) for (let b = 0; b < breaths; b++) re[l] += summed[i++] * heart[a] * breath[b];
      return { re, im: null };
    });
  }

  /** M[l,t] = Σ_ab G[l,a,b,t] U_c[c,a] U_r[r,b]: what takes basis maps to recovery curves at one state of motion. */
  recoveryOf(cardiac, respiratory) {
    const [rank, beats, breaths, orders] = this.record.tensor.core.shape;
    const core = this.fields.of(this.record.tensor.core);
    const [heart, breath] = [this.row("cardiac", cardiac), this.row("respiratory", respiratory)];
    const mixing = new Float64Array(rank * orders);
    let i = 0;
    for (let l = 0; l < rank; l++)
      for (let a = 0; a < beats; a++)
        for (let b = 0; b < breaths; b++) {
          const weight = heart[a] * breath[b];
          for (let t = 0; t < orders; t++) mixing[l * orders + t] += weight * core[i++];
        }
    return mixing;
  }

  /** A column of the measured basis. */
  moment(column) {
    const basis = this.fields.of(this.record.basis);
    const parts = this.isComplex ? 2 : 1;
    const part = (offset) =>
      Float64Array.from({ length: this.rank }, (_, l) => basis[(parts * l + offset) * this.columns + column]);
    return { re: part(0), im: this.isComplex ? part(1) : null };
  }
}

/** A spatial factor: (L, 2, rows, columns), real and imaginary parts. */
class SpatialFactor {
  constructor(record, fields) {
    this.record = record;
    this.fields = fields;
    [this.rank, , this.rows, this.columns] = record.shape;
    this.size = this.rows * this.columns;
    this.re = new Float32Array(this.size);
    this.im = new Float32Array(this.size);
  }

  /** |Σ_k U_k φ_k| into `out`. */
  frame(phi, out) {
    const maps = this.fields.of(this.record);
    const { size, re, im } = this;
    re.fill(0);
    im.fill(0);
    const map = (k, part) => maps.subarray((2 * k + part) * size, (2 * k + part + 1) * size);
    let k = 0;
    if (!phi.im)
      for (; k + 4 <= this.rank; k += 4) {
        addFour(re, [0, 1, 2, 3].map((n) => map(k + n, 0)), phi.re, k);
        addFour(im, [0, 1, 2, 3].map((n) => map(k + n, 1)), phi.re, k);
      }
    for (; k < this.rank; k++) addTurned(re, im, map(k, 0), map(k, 1), phi.re[k], phi.im ? phi.im[k] : 0);
    for (let i = 0; i < size; i++) out[i] = Math.sqrt(re[i] * re[i] + im[i] * im[i]);
    return out;
  }

  /** U at a pixel. */
  voxel(x, y) {
    const maps = this.fields.of(this.record);
    const pixel = y * this.columns + x;
    const part = (offset) =>
      Float64Array.from({ length: this.rank }, (_, k) => maps[(2 * k + offset) * this.size + pixel]);
    return { re: part(0), im: part(1) };
  }

  /** U between pixels, linearly: for lines. A place at (0.5, 0.5) is the centre of the first pixel. */
  between(x, y) {
    const within = (value, size) => Math.max(0, Math.min(size - 1, value - 0.5));
    const [px, py] = [within(x, this.columns), within(y, this.rows)];
    const [left, top] = [Math.floor(px), Math.floor(py)];
    const [right, bottom] = [Math.min(left + 1, this.columns - 1), Math.min(top + 1, this.rows - 1)];
    const [fx, fy] = [px - left, py - top];
    const found = { re: new Float64Array(this.rank), im: new Float64Array(this.rank) };
    for (const [at, weight] of [
      [this.voxel(left, top), (1 - fx) * (1 - fy)],
      [this.voxel(right, top), fx * (1 - fy)],
      [this.voxel(left, bottom), (1 - fx) * fy],
      [this.voxel(right, bottom), fx * fy],
    ])
      if (weight)
        for (let k = 0; k < this.rank; k++) {
          found.re[k] += weight * at.re[k];
          found.im[k] += weight * at.im[k];
        }
    return found;
  }
}

/** Four maps at a time: the sum is read and written a quarter as often, which is what takes the time. */
function addFour(sum, [a, b, c, d], phi, k) {
  const [p, q, r, s] = [phi[k], phi[k + 1], phi[k + 2], phi[k + 3]];
  for (let i = 0; i < sum.length; i++) sum[i] += p * a[i] + q * b[i] + r * c[i] + s * d[i];
}

function addTurned(re, im, real, imaginary, c, s) {
  for (let i = 0; i < re.length; i++) {
    re[i] += c * real[i] - s * imaginary[i];
    im[i] += c * imaginary[i] + s * real[i];
  }
}

/** Signal of a voxel at some φ: Σ_k U_k φ_k. */
function signalAt(voxel, phis) {
  const re = new Float64Array(phis.length);
  const im = new Float64Array(phis.length);
  phis.forEach((phi, n) => {
    for (let k = 0; k < phi.re.length; k++) {
      const s = phi.im ? phi.im[k] : 0;
      re[n] += voxel.re[k] * phi.re[k] - voxel.im[k] * s;
      im[n] += voxel.im[k] * phi.re[k] + voxel.re[k] * s;
    }
  });
  return { re, im };
}

function magnitudeOf({ re, im }) {
  return re.map((value, n) => Math.hypot(value, im[n]));
}

if (typeof module !== "undefined") module.exports = { Fields, TemporalModel, SpatialFactor, signalAt, magnitudeOf };
