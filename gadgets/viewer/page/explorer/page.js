"use strict";
// The page: one state, and all that shows it.

/** Milliseconds after the last change until the address follows: browsers refuse more than some changes a second. */
const ADDRESS_MS = 400;

class Explorer {
  constructor(record, textOf) {
    this.record = record;
    this.fields = new Fields(textOf);
    this.drawing = new Drawing(this);
    this.axes = new Axes(this, document.getElementById("axes"));
    const wanted = stateOf(location.hash);
    this.open(boundedIndex(wanted.slice, record.slices.length, 0));
    this.curves = new Curves(this, document.getElementById("plots"));
    this.lineView = new LineView(this, document.getElementById("line-section"));
    this.table = new RegionTable(this);
    wireControls(this);
    this.set(wanted);
    const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (!isStill && !location.hash && this.axes.rows.cardiac) this.axes.toggle("cardiac");
    watchTheme(() => this.render());
    addEventListener("hashchange", () => this.set({ ...this.first, ...stateOf(location.hash) }));
  }

  /** Take another slice: everything is as it was at first, but what holds for all slices. */
  open(number) {
    const { record, fields } = this;
    this.slice = record.slices[number];
    const models = this.slice.models.map((model) => new TemporalModel(model, fields));
    this.methods = this.slice.methods.map(({ name, maps, model }) => ({ name, factor: new SpatialFactor(maps, fields), model: models[model] }));
    this.maps = Object.fromEntries(this.slice.maps.map((map) => [map.kind, map]));
    this.frames = new Map();
    this.differences = new Map();
    this.contents = contentsOf(this);
    const { meta, hasTensor, pulses } = this.methods[0].model;
    this.first = {
      slice: number, cardiac: 0, respiratory: meta.EndExpirationBin || 0,
      pulse: meta.BrightBloodPulse ?? pulses[pulses.length - 1], moment: hasTensor ? null : 0,
      cross: [this.slice.columns >> 1, this.slice.rows >> 1], view: { zoom: 1, x: 0.5, y: 0.5 },
      panes: this.maps.t1_map && innerWidth > 640 ? ["frame:0", "map:t1_map"] : ["frame:0"],
      method: 0, windows: {}, colours: {}, isSmooth: true, regions: [], line: null, lineAxis: "cardiac", tool: "cross",
    };
    this.state = { ...structuredClone(this.first), tool: this.state?.tool || "cross" };
    this.panes = [];
    this.axes.open();
    const { gating } = this.slice;
    const canvas = document.getElementById("strip");
    this.strip = gating ? new Strip(canvas, gating, fields, (time) => this.goToTime(time)) : null;
    describeSlice(this);
  }

  get model() {
    return this.method.model;
  }

  get method() {
    return this.methods[this.state.method];
  }

  /** Length of the heartbeat. */
  get beatMs() {
    return 60000 / (this.methods[0].model.meta.HeartRatePerMinute || 60);
  }

  /** Change the state and show it. A bin or pulse leaves the moment of the real-time series. */
  set(changes) {
    if (changes.slice !== undefined && changes.slice !== this.state.slice) this.open(boundedIndex(changes.slice, this.record.slices.length, 0));
    const leaves = ["cardiac", "respiratory", "pulse"].some((name) => name in changes) && !("moment" in changes);
    Object.assign(this.state, changes, leaves && this.model.hasTensor ? { moment: null } : {});
    this.correct();
    this.render();
  }

  /** What an address may have spoilt. */
  correct() {
    const { state, first, methods, slice } = this;
    state.method = boundedIndex(state.method, methods.length, 0);
    const { sizes, pulses, columns, hasTensor } = this.model;
    state.cardiac = boundedIndex(state.cardiac, sizes[0], first.cardiac);
    state.respiratory = boundedIndex(state.respiratory, sizes[1], first.respiratory);
    if (!Number.isInteger(state.pulse) || state.pulse < 0 || state.pulse >= sizes[2]) state.pulse = first.pulse;
    if (!hasTensor || Number.isFinite(state.moment)) state.moment = columns ? boundedIndex(state.moment, columns, 0) : null;
    else state.moment = null;
    if (!Array.isArray(state.cross)) state.cross = null;
    else state.cross = [boundedIndex(state.cross[0], slice.columns, 0), boundedIndex(state.cross[1], slice.rows, 0)];
    for (const name of ["panes", "regions"]) if (!Array.isArray(state[name])) state[name] = first[name];
    state.panes = state.panes.slice(0, 4).map(String);
    if (!state.panes.length) state.panes = [...first.panes];
    state.regions = state.regions.filter(isRegion);
    if (!(Array.isArray(state.line) && state.line.length === 2 && state.line.every(isPoint))) state.line = null;
    for (const name of ["windows", "colours", "view"]) if (!state[name] || typeof state[name] !== "object") state[name] = first[name];
    if (![state.view.zoom, state.view.x, state.view.y].every(Number.isFinite)) state.view = first.view;
  }

  phi(model) {
    const { cardiac, respiratory, pulse, moment } = this.state;
    if (moment === null) return model.hasTensor ? model.cell(cardiac, respiratory, pulse) : model.moment(0);
    return model.moment(Math.min(moment, model.columns - 1));
  }

  frameKey() {
    const { cardiac, respiratory, pulse, moment } = this.state;
    return moment === null ? `${cardiac},${respiratory},${pulse}` : `m${moment}`;
  }

  /** Magnitude of a method's frame at the present place. */
  frameOf(number) {
    const key = this.frameKey();
    const known = this.frames.get(number) || { values: new Float32Array(this.slice.rows * this.slice.columns) };
    if (known.key !== key) {
      const { factor, model } = this.methods[number];
      factor.frame(this.phi(model), known.values);
      this.frames.set(number, Object.assign(known, { key }));
    }
    return known.values;
  }

  /** What a pane shows: values and their unit. */
  imageOf(key) {
    const [kind, name] = key.split(":");
    if (kind === "map" && this.maps[name]) return { values: this.fields.of(this.maps[name].values), unit: this.maps[name].MalibuUnit };
    if (kind !== "difference" || !this.methods[name]) return { values: this.frameOf(this.methods[name] && kind === "frame" ? Number(name) : 0) };
    const [result, other] = [this.frameOf(0), this.frameOf(Number(name))];
    const values = this.differences.get(name) || new Float32Array(result.length);
    for (let i = 0; i < values.length; i++) values[i] = result[i] - other[i];
    this.differences.set(name, values);
    return { values };
  }

  /** Window of a kind of content; at first by the Meta of maps, and by the bright-blood frame of the result. */
  windowOf(group) {
    const known = this.state.windows[group];
    if (Array.isArray(known) && known.every(Number.isFinite)) return known;
    const map = this.maps[group];
    if (map) return [map.WindowCenter - map.WindowWidth / 2, Number(map.WindowCenter) + map.WindowWidth / 2];
    const peak = this.brightest();
    return group === "difference" ? [-peak / 4, peak / 4] : [0, peak];
  }

  brightest() {
    if (this.peakOf === this.slice) return this.peak;
    const { factor, model } = this.methods[0];
    const phi = model.hasTensor ? model.cell(this.first.cardiac, this.first.respiratory, this.first.pulse) : model.moment(model.columns - 1);
    const sorted = factor.frame(phi, new Float32Array(factor.size)).sort();
    [this.peakOf, this.peak] = [this.slice, sorted[Math.floor((1 - BRIGHTER_SHARE) * (sorted.length - 1))] || 1];
    return this.peak;
  }

  setWindow(group, low, high) {
    this.set({ windows: { ...this.state.windows, [group]: [low, high] } });
  }

  setPane(index, key) {
    const panes = this.state.panes.map((one, n) => (n === index ? key : one));
    const first = /^frame:(\d+)$/.exec(panes[0]);
    this.set({ panes, method: first ? Number(first[1]) : this.state.method });
  }

  setTool(tool) {
    this.drawing.cancel();
    this.set({ tool });
    const needsClicks = tool === "polygon" || tool === "bullseye";
    this.say(needsClicks ? hintOf(tool, 0) : "");
  }

  /** The other methods beside the result and the difference, or back to what was shown at first. */
  compare() {
    if (this.methods.length < 2) return;
    const isCompared = this.state.panes.some((key) => key.startsWith("difference"));
    const last = this.methods.length - 1;
    this.set({ panes: isCompared ? [...this.first.panes] : ["frame:0", `frame:${last}`, `difference:${last}`] });
  }

  goToTime(time) {
    const times = this.model.timesS();
    if (!times) return this.say("The file has no temporal basis with times: replay it with temporal_basis.");
    this.axes.stop();
    let nearest = 0;
    for (let i = 1; i < times.length; i++) if (Math.abs(times[i] - time) < Math.abs(times[nearest] - time)) nearest = i;
    this.set({ moment: nearest });
  }

  timeInWords(column) {
    const times = this.model.timesS();
    return times ? `${times[Math.min(column, times.length - 1)].toFixed(2)} s` : `column ${column + 1} of ${this.model.columns}`;
  }

  /** First column, and count of columns, within some seconds around the moment that is shown. */
  columnsAround(seconds) {
    const { columns } = this.model;
    const times = this.model.timesS();
    const perSecond = times ? (columns - 1) / Math.max(times[columns - 1] - times[0], 1e-6) : 100;
    const count = Math.min(columns, Math.max(2, Math.round(seconds * perSecond)));
    const first = Math.max(0, Math.min(columns - count, Math.round((this.state.moment || 0) - count / 2)));
    return [first, count];
  }

  placeInWords() {
    const { rows } = this.axes;
    if (this.state.moment !== null) return `at ${this.timeInWords(this.state.moment)}`;
    return Object.keys(rows).filter((name) => name !== "time").map((name) => this.axes.words(name)).join(", ");
  }

  say(text) {
    document.getElementById("said").textContent = text;
  }

  redraw() {
    for (const pane of this.panes) pane.picture.draw();
  }

  render() {
    const root = document.getElementById("panes");
    if (this.panes.length !== this.state.panes.length) {
      this.panes = this.state.panes.map((_, n) => new Pane(this, n, this.drawing));
      root.replaceChildren(...this.panes.map(({ figure }) => figure));
      root.classList.toggle("one", this.panes.length === 1);
    }
    for (const pane of this.panes) pane.show();
    this.curves.show();
    this.lineView.show();
    this.axes.show();
    this.table.show();
    showControls(this);
    showStrip(this);
    if (!this.axes.playing) this.scheduleAddress();
  }

  scheduleAddress() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const hash = hashOf(this.state, this.first);
      try {
        history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
      } catch {
        // a page within another (a notebook) has no address of its own
      }
    }, ADDRESS_MS);
  }
}

function isPoint(point) {
  return Array.isArray(point) && point.length === 2 && point.every(Number.isFinite);
}

function isRegion(region) {
  const least = { circle: 2, polygon: 3, bullseye: 3 }[region?.kind];
  return Boolean(least) && Array.isArray(region.points) && region.points.length >= least && region.points.every(isPoint) && typeof region.name === "string";
}

if (typeof module !== "undefined") module.exports = { Explorer };
