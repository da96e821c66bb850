"use strict";
// Sliders of the axes of time, and play on each of them.

/** Seconds of a breath that is played, where none can be told from the signal. */
const BREATH_S = 4;

class Axes {
  constructor(explorer, root) {
    this.explorer = explorer;
    this.root = root;
    this.playing = null;
  }

  /** Rows for a slice: a slider, or the reason why there is none. */
  open() {
    this.stop();
    const { model, slice } = this.explorer;
    const [phases, states] = model.sizes;
    const pulses = model.pulses.length;
    this.rows = {};
    const rows = [
      ["cardiac", "Heartbeat", phases, slice.absent.cardiac],
      ["respiratory", "Breathing", states, slice.absent.respiratory],
      ["recovery", "Inversion time", pulses, slice.absent.recovery],
      ["time", "Scan time", model.columns, model.columns > 1 ? "" : "the file has no temporal basis, or one image only"],
    ];
    this.root.replaceChildren(...rows.map(([name, label, size, why]) => this.row(name, label, size, why)));
  }

  row(name, label, size, why) {
    const caption = made("label", { for: `axis-${name}` }, label);
    if (why) return made("div", { class: "axis unused" }, made("span"), made("span", {}, label), made("span", { class: "why" }, why));
    const slider = made("input", { type: "range", id: `axis-${name}`, min: 0, max: size - 1, step: 1, value: 0 });
    const told = made("output", { for: `axis-${name}` });
    const play = made("button", { type: "button", "aria-label": `Play: ${label}`, "aria-pressed": "false", title: `Play: ${label}` }, "▶");
    slider.oninput = () => {
      this.stop();
      this.go(name, Number(slider.value));
    };
    play.onclick = () => this.toggle(name);
    const box = made("div", { class: "axis" }, play, caption, slider, told);
    this.rows[name] = { box, slider, told, play, size };
    return box;
  }

  /** Go to a place of an axis, counted from 0. */
  go(name, place) {
    const { explorer } = this;
    const changes = { cardiac: { cardiac: place }, respiratory: { respiratory: place }, time: { moment: place } }[name];
    explorer.set(changes || { pulse: explorer.model.pulses[place] });
  }

  placeOf(name) {
    const { state, model } = this.explorer;
    if (name === "recovery") return nearestIndex(model.pulses, state.pulse);
    return name === "time" ? state.moment || 0 : state[name];
  }

  /** Step along an axis; heartbeat and the others wrap around. */
  step(name, steps) {
    const row = this.rows[name];
    if (!row) return;
    this.stop();
    this.go(name, (((this.placeOf(name) + steps) % row.size) + row.size) % row.size);
  }

  show() {
    const { explorer } = this;
    const { state } = explorer;
    for (const [name, { box, slider, told }] of Object.entries(this.rows)) {
      slider.value = this.placeOf(name);
      told.textContent = this.words(name);
      slider.setAttribute("aria-valuetext", told.textContent);
      box.classList.toggle("unused", (name === "time") !== (state.moment !== null));
    }
  }

  words(name) {
    const { explorer } = this;
    const { state, model } = explorer;
    const [phases, states] = model.sizes;
    if (name === "cardiac") return `${state.cardiac + 1} of ${phases} · ${((explorer.beatMs * state.cardiac) / phases).toFixed(0)} ms`;
    if (name === "respiratory") {
      const where = state.respiratory === model.meta.EndExpirationBin ? " · end-expiration" : state.respiratory === states - 1 ? " · inspiration" : "";
      return `${state.respiratory + 1} of ${states}${where}`;
    }
    if (name === "recovery") return `${model.sequence.inversionTimeMs(state.pulse).toFixed(0)} ms · pulse ${state.pulse}`;
    return state.moment === null ? "not shown" : explorer.timeInWords(state.moment);
  }

  toggle(name) {
    if (this.playing === name) return this.stop();
    this.stop();
    if (!this.rows[name]) return;
    this.playing = name;
    this.rows[name].play.textContent = "❚❚";
    this.rows[name].play.setAttribute("aria-pressed", "true");
    const { size } = this.rows[name];
    const first = this.shareOf(name, this.placeOf(name), size);
    let start = null;
    const tick = (now) => {
      if (this.playing !== name) return;
      if (start === null) start = now - first * this.cycleMs(name);
      const place = this.placeAt(name, ((now - start) / this.cycleMs(name)) % 1);
      const isElsewhere = place !== this.placeOf(name) || (name === "time") !== (this.explorer.state.moment !== null);
      if (isElsewhere) this.go(name, place);
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  stop() {
    if (!this.playing) return;
    const { play } = this.rows[this.playing];
    play.textContent = "▶";
    play.setAttribute("aria-pressed", "false");
    this.playing = null;
  }

  /** Duration of one round: a heartbeat, a breath, a recovery, the scan; all as long as they were. */
  cycleMs(name) {
    const { explorer } = this;
    const { model } = explorer;
    if (name === "cardiac") return explorer.beatMs;
    if (name === "respiratory") return 1000 * BREATH_S;
    if (name === "recovery") return model.sequence.inversionTimeMs(model.pulses[model.pulses.length - 1]);
    const times = model.timesS();
    return times ? 1000 * (times[times.length - 1] - times[0]) : 1000 * (model.columns / 100);
  }

  /** Place at a share of a round; a breath goes there and back. */
  placeAt(name, share) {
    const { size } = this.rows[name];
    if (name === "respiratory") return Math.round((size - 1) * (0.5 - 0.5 * Math.cos(2 * Math.PI * share)));
    return Math.min(size - 1, Math.floor(share * size));
  }

  shareOf(name, place, size) {
    return name === "respiratory" ? Math.acos(1 - (2 * place) / Math.max(1, size - 1)) / (2 * Math.PI) : place / size;
  }
}

if (typeof module !== "undefined") module.exports = { Axes };
