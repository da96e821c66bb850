"use strict";
// T1 recovery under inversion-recovery FLASH in the periodic steady state: recon/relaxometry/inversion_recovery.py in
// JavaScript, and the fit of an amplitude to a measured curve.

/** Every fourth imaging pulse entered the fit of T1 (recon/multitasking/quantitative.py). */
const FITTED_STEP = 4;

class InversionRecovery {
  /** trMs; flipAngleDeg: the true one; delayMs from the inversion to the first pulse; pulses between inversions. */
  constructor(trMs, flipAngleDeg, delayMs, pulses) {
    Object.assign(this, { trMs, flipAngleDeg, delayMs, pulses });
  }

  inversionTimeMs(pulse) {
    return this.delayMs + pulse * this.trMs;
  }

  /** Decay per pulse towards the steady state, steady state, and start of one pool of spins. */
  pool(t1Ms, efficiency, cosine) {
    const relaxation = Math.exp(-this.trMs / t1Ms);
    const delay = Math.exp(-this.delayMs / t1Ms);
    const decay = relaxation * cosine;
    const steady = (1 - relaxation) / (1 - decay);
    const period = decay ** this.pulses;
    const start = (1 - delay - efficiency * delay * steady * (1 - period)) / (1 + efficiency * delay * period);
    return { decay, steady, start };
  }

  /**
   * Longitudinal magnetisation before each pulse, relative to equilibrium; a share `inflow` of the spins is fresh and
   * saw none of the pulses. `scale`: the true flip angle over this sequence's.
   */
  curve(t1Ms, efficiency, inflow, pulses, scale = 1) {
    const total = new Float64Array(pulses.length);
    const cosine = Math.cos((this.flipAngleDeg * scale * Math.PI) / 180);
    for (const [share, cos] of [[1 - inflow, cosine], [inflow, 1]]) {
      if (!share) continue;
      const { decay, steady, start } = this.pool(t1Ms, efficiency, cos);
      for (let i = 0; i < pulses.length; i++) total[i] += share * (steady + (start - steady) * decay ** pulses[i]);
    }
    return total;
  }
}

/**
 * Turn a complex curve to be as real as it can be, and positive in its last quarter.
 * @returns {{real: Float64Array, cos: number, sin: number}} the turned curve, and by what it was turned.
 */
function madeReal(re, im) {
  let [x, y] = [0, 0];
  for (let i = 0; i < re.length; i++) {
    x += re[i] * re[i] - im[i] * im[i];
    y += 2 * re[i] * im[i];
  }
  let [cos, sin] = [Math.cos(-0.5 * Math.atan2(y, x)), Math.sin(-0.5 * Math.atan2(y, x))];
  let last = 0;
  for (let i = re.length - Math.max(1, re.length >> 2); i < re.length; i++) last += re[i] * cos - im[i] * sin;
  if (last < 0) [cos, sin] = [-cos, -sin];
  const real = new Float64Array(re.length);
  for (let i = 0; i < re.length; i++) real[i] = re[i] * cos - im[i] * sin;
  return { real, cos, sin };
}

/** Amplitude of a model curve by least squares, and the norm of what it leaves. */
function fitAmplitude(curve, model) {
  let [cross, energy] = [0, 0];
  for (let i = 0; i < curve.length; i++) {
    cross += curve[i] * model[i];
    energy += model[i] * model[i];
  }
  const amplitude = energy > 0 ? cross / energy : 0;
  let left = 0;
  for (let i = 0; i < curve.length; i++) left += (curve[i] - amplitude * model[i]) ** 2;
  return { amplitude, residual: Math.sqrt(left) };
}

/** Share of fresh spins, 0 to 1, by least squares of the amplitudes of both pools, of spins that stay and of fresh ones. */
function toldShare(curve, stays, fresh) {
  let [ss, ff, sf, cs, cf] = [0, 0, 0, 0, 0];
  for (let i = 0; i < curve.length; i++) {
    ss += stays[i] * stays[i];
    ff += fresh[i] * fresh[i];
    sf += stays[i] * fresh[i];
    cs += curve[i] * stays[i];
    cf += curve[i] * fresh[i];
  }
  const [ofStays, ofFresh] = [cs * ff - cf * sf, cf * ss - cs * sf]; // over the same determinant
  const total = ofStays + ofFresh;
  return total > 0 ? Math.min(Math.max(ofFresh / total, 0), 1) : 0;
}

/**
 * Fit a voxel's curve with its T1 from the map: amplitude by least squares, tissue or flowing blood by the better fit.
 * Where T1 is that of all blood, bloodT1Ms, the curve tells the share of fresh spins.
 * @param {Float64Array} curve real, at the fitted pulses.
 * @param {Array<number>} pulses
 * @param {{sequence: InversionRecovery, t1Ms, deviationMs, efficiency, inflow, bloodT1Ms, scale}} known
 * @param {Array<number>} shown pulses at which the fit is wanted.
 * @returns {{fit, low, high: Float64Array, amplitude, inflow, residual}} low and high: T1 less and more its deviation.
 */
function fittedRecovery(curve, pulses, known, shown) {
  const { sequence, t1Ms, efficiency, scale } = known;
  const pool = (share) => sequence.curve(t1Ms, efficiency, share, pulses, scale);
  const given = known.inflow > 0 ? [0, known.inflow] : [0]; // the map does not say which it took
  const shares = t1Ms === known.bloodT1Ms ? [toldShare(curve, pool(0), pool(1))] : given;
  const tried = shares.map((inflow) => ({
    inflow,
    ...fitAmplitude(curve, pool(inflow)),
  }));
  const best = tried.reduce((a, b) => (b.residual < a.residual ? b : a));
  const at = (t1) => {
    const time = Math.max(t1, 1);
    const { amplitude } = fitAmplitude(curve, sequence.curve(time, efficiency, best.inflow, pulses, scale));
    return sequence.curve(time, efficiency, best.inflow, shown, scale).map((value) => amplitude * value);
  };
  const [fit, low, high] = [t1Ms, t1Ms - known.deviationMs, t1Ms + known.deviationMs].map(at);
  return { fit, low, high, amplitude: best.amplitude, inflow: best.inflow, residual: best.residual };
}

if (typeof module !== "undefined") module.exports = { InversionRecovery, madeReal, fitAmplitude, toldShare, fittedRecovery };
