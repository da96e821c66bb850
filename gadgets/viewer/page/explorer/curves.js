"use strict";
// Curves of the voxel under the crosshair, and the signal along a line over an axis (M-mode).

/** Columns of a line's picture over the scan's time or the recovery. */
const LINE_COLUMNS = 240;

/** Seconds of the scan that a line's picture shows around the moment. */
const LINE_SECONDS = 6;

/** Signal of a voxel at all imaging pulses of one state of motion. */
function recoveryCurve(model, voxel, cardiac, respiratory, pulses) {
  const mixing = model.recoveryOf(cardiac, respiratory);
  const orders = mixing.length / model.rank;
  const [re, im] = [new Float64Array(orders), new Float64Array(orders)];
  for (let l = 0; l < model.rank; l++)
    for (let t = 0; t < orders; t++) {
      re[t] += voxel.re[l] * mixing[l * orders + t];
      im[t] += voxel.im[l] * mixing[l * orders + t];
    }
  const [, length] = model.record.tensor.recovery.shape;
  const recovery = model.fields.of(model.record.tensor.recovery);
  const at = (part) => Float64Array.from(pulses, (pulse) => part.reduce((sum, value, t) => sum + value * recovery[t * length + pulse], 0));
  return { re: at(re), im: at(im) };
}

/** What the T1 map says of a pixel, and all that its fit takes; null where there is no T1. */
function knownOf(explorer, x, y) {
  const { maps, fields, model, slice } = explorer;
  const pixel = y * slice.columns + x;
  const value = (kind) => (maps[kind] ? fields.of(maps[kind].values)[pixel] : 0);
  const t1Ms = value("t1_map");
  const sequence = model.sequence;
  if (!t1Ms || !sequence) return null;
  const nominal = Number(slice.meta.FlipAngleDeg) || sequence.flipAngleDeg;
  const scale = value("b1_map") ? (value("b1_map") / 1000) * (nominal / sequence.flipAngleDeg) : 1;
  const efficiency = Number(maps.t1_map.InversionEfficiency);
  const { Inflow: inflow = 0, BloodT1Ms: bloodT1Ms } = model.meta;
  return { sequence, t1Ms, deviationMs: value("t1_uncertainty"), efficiency, inflow, bloodT1Ms, scale };
}

/** The curve at the state of motion of the T1 map, and the fit, at all imaging pulses; null where there is no T1. */
function fitAt(explorer, x, y) {
  const known = knownOf(explorer, x, y);
  const { model } = explorer;
  if (!known || explorer.state.method !== 0) return null;
  const fitted = model.pulses.filter((_, n) => n % FITTED_STEP === 0);
  const state = [model.meta.T1CardiacBin, model.meta.T1RespiratoryBin];
  const curve = recoveryCurve(model, explorer.method.factor.voxel(x, y), ...state, fitted);
  const turned = madeReal(curve.re, curve.im);
  return { ...fittedRecovery(turned.real, fitted, known, model.pulses), known, turned };
}

class Curves {
  constructor(explorer, root) {
    this.explorer = explorer;
    const nearestPulse = (ms) => {
      const { model } = explorer;
      const wanted = (ms - model.sequence.delayMs) / model.sequence.trMs;
      return model.pulses.reduce((best, pulse) => (Math.abs(pulse - wanted) < Math.abs(best - wanted) ? pulse : best));
    };
    const step = () => explorer.beatMs / explorer.model.sizes[0];
    this.plots = {
      recovery: this.plot(root, "Recovery after the inversion", "tall", (ms) => explorer.set({ pulse: nearestPulse(ms) })),
      cardiac: this.plot(root, "Over the heartbeat", "", (ms) => explorer.set({ cardiac: Math.round(ms / step()) })),
      respiratory: this.plot(root, "Over breathing", "", (bin) => explorer.set({ respiratory: Math.round(bin) - 1 })),
    };
  }

  plot(root, title, kind, onPick) {
    const canvas = made("canvas", { role: "img", "aria-label": title });
    const box = made("div", { class: `plot ${kind}`, hidden: true }, made("h3", {}, title), canvas);
    root.append(box);
    return { box, canvas, title, plot: new Plot(canvas, onPick) };
  }

  show() {
    const { explorer } = this;
    const { state, model, slice } = explorer;
    const isKnown = (name) => model.hasTensor && !slice.absent[name];
    for (const [name, { box }] of Object.entries(this.plots)) box.hidden = !state.cross || !isKnown(name);
    if (!state.cross) return;
    const [x, y] = state.cross;
    this.sayVoxel(x, y);
    const voxel = explorer.method.factor.voxel(x, y);
    if (isKnown("recovery")) this.recovery(voxel, x, y);
    else document.getElementById("fit-note").textContent = "";
    const { cardiac, respiratory, pulse } = state;
    const [phases, states] = model.sizes;
    const over = (count, binsAt) => magnitudeOf(signalAt(voxel, model.cellsOf(Array.from({ length: count }, (_, n) => binsAt(n)), pulse)));
    const marker = (value) => (state.moment === null ? value : undefined);
    if (isKnown("cardiac")) {
      const step = explorer.beatMs / phases;
      const [x0, y0] = [Array.from({ length: phases }, (_, n) => n * step), over(phases, (n) => [n, respiratory])];
      this.draw("cardiac", { x: x0, xLabel: "ms after end-diastole", lines: [{ y: y0, token: "accent", dots: true }], marker: marker(cardiac * step), zero: true });
    }
    if (isKnown("respiratory")) {
      const [x0, y0] = [Array.from({ length: states }, (_, n) => n + 1), over(states, (n) => [cardiac, n])];
      this.draw("respiratory", { x: x0, xLabel: "position, expiration → inspiration", lines: [{ y: y0, token: "accent", dots: true }], marker: marker(respiratory + 1), zero: true });
    }
  }

  recovery(voxel, x, y) {
    const { explorer } = this;
    const { state, model } = explorer;
    const sequence = model.sequence;
    const curve = recoveryCurve(model, voxel, state.cardiac, state.respiratory, model.pulses);
    const { real } = madeReal(curve.re, curve.im);
    const fit = fitAt(explorer, x, y);
    const times = model.pulses.map((pulse) => sequence.inversionTimeMs(pulse));
    const lines = [{ y: real, token: "accent", width: 2 }];
    if (fit) lines.push({ y: fit.fit, token: "fair", width: 1.5, dash: [5, 3] });
    const band = fit && { low: fit.low, high: fit.high, token: "fair" };
    const marker = state.moment === null ? sequence.inversionTimeMs(state.pulse) : undefined;
    this.draw("recovery", { x: times, xLabel: "inversion time, ms", lines, band, marker, zero: true });
    document.getElementById("fit-note").textContent = this.fitNote(fit);
  }

  fitNote(fit) {
    const { state, model, maps } = this.explorer;
    if (state.method !== 0) return "The T1 map is the first method's: no fit is drawn.";
    if (!fit) return maps.t1_map ? "No T1 here: outside of the body, or not fitted." : "The file holds no T1 map.";
    const { T1CardiacBin: c, T1RespiratoryBin: r } = model.meta;
    const elsewhere = state.cardiac !== c || state.respiratory !== r;
    const blood = fit.known.t1Ms === fit.known.bloodT1Ms ? `flowing blood, ${(100 * fit.inflow).toFixed(0)} % of it fresh` : "flowing blood";
    const kind = fit.inflow ? blood : "tissue";
    return `Solid: signal. Dashed: fit of ${kind}, band ± 1 s.d. of T1${elsewhere ? `; fitted at phase ${c + 1}, position ${r + 1}` : ""}.`;
  }

  draw(name, shown) {
    const { plot, canvas, title } = this.plots[name];
    plot.draw(shown);
    const { y } = shown.lines[0];
    canvas.setAttribute("aria-label", `${title}: from ${short(Math.min(...y))} to ${short(Math.max(...y))}`);
  }

  sayVoxel(x, y) {
    const { explorer } = this;
    const known = knownOf(explorer, x, y);
    const { maps, fields, slice } = explorer;
    const pixel = y * slice.columns + x;
    const t1 = maps.t1_map ? fields.of(maps.t1_map.values)[pixel] : 0;
    const deviation = maps.t1_uncertainty ? fields.of(maps.t1_uncertainty.values)[pixel] : 0;
    const signal = explorer.frameOf(explorer.state.method)[pixel];
    const parts = t1 ? [made("strong", {}, `T1 ${t1} ± ${deviation} ms`), " "] : [];
    document.getElementById("voxel").replaceChildren(...parts, made("span", { class: "quiet" },
      `pixel ${x}, ${y} · signal ${short(signal)}${known && known.scale !== 1 ? ` · B1 ${(100 * known.scale).toFixed(0)} %` : ""}`));
  }
}

/** Axes over which a line may be shown, with names. */
function lineAxes(explorer) {
  const { model, slice } = explorer;
  const axes = [["cardiac", "the heartbeat"], ["respiratory", "breathing"], ["recovery", "inversion time"]];
  const known = model.hasTensor ? axes.filter(([name]) => !slice.absent[name]) : [];
  return model.columns > 1 ? [...known, ["time", "the scan's time"]] : known;
}

/** Functions φ along an axis, and what a click on one of them sets. */
function phisAlong(explorer, axis) {
  const { model, state } = explorer;
  const { cardiac, respiratory, pulse } = state;
  const evenly = (count) => Array.from({ length: Math.min(count, LINE_COLUMNS) }, (_, n, most = Math.min(count, LINE_COLUMNS)) =>
    most > 1 ? Math.round((n * (count - 1)) / (most - 1)) : 0);
  if (axis === "cardiac") {
    const bins = evenly(model.sizes[0]);
    return { phis: bins.map((n) => model.cell(n, respiratory, pulse)), changes: bins.map((n) => ({ cardiac: n })) };
  }
  if (axis === "respiratory") {
    const bins = evenly(model.sizes[1]);
    return { phis: bins.map((n) => model.cell(cardiac, n, pulse)), changes: bins.map((n) => ({ respiratory: n })) };
  }
  if (axis === "recovery") {
    const pulses = evenly(model.pulses.length).map((n) => model.pulses[n]);
    return { phis: pulses.map((n) => model.cell(cardiac, respiratory, n)), changes: pulses.map((n) => ({ pulse: n })) };
  }
  const [first, count] = explorer.columnsAround(LINE_SECONDS);
  const columns = evenly(count).map((n) => first + n);
  return { phis: columns.map((n) => model.moment(n)), changes: columns.map((n) => ({ moment: n })) };
}

/** Magnitudes along a line (down) over some φ (across). */
function linePicture(factor, line, phis) {
  const [[x0, y0], [x1, y1]] = line;
  const rows = Math.max(2, Math.round(2 * Math.hypot(x1 - x0, y1 - y0)));
  const values = new Float32Array(rows * phis.length);
  for (let row = 0; row < rows; row++) {
    const share = row / (rows - 1);
    const voxel = factor.between(x0 + share * (x1 - x0), y0 + share * (y1 - y0));
    values.set(magnitudeOf(signalAt(voxel, phis)), row * phis.length);
  }
  return { values, rows, columns: phis.length };
}

if (typeof module !== "undefined") module.exports = { recoveryCurve, linePicture };
