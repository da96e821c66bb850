"use strict";
// The page of restored volumes: its state, and what follows from it. Everything that changes goes through set().

/** Thickness of the first slab in mm: that of usual projections of coronary arteries. */
const FIRST_SLAB_MM = 10;

class VolumePage {
  constructor(told) {
    this.told = told;
    this.tables = { grey: colourTable("grey"), difference: colourTable("berlin") };
    this.limits = told.scans.map((scan) => {
      const { shape, spacing } = scan.volumes.find((volume) => volume.kind === mainOf(scan));
      return { shape, kinds: kindsOf(scan), thickest: Math.max(...shape.map((size, axis) => size * spacing[axis])) };
    });
    const given = stateOf(location.hash, this.limits);
    this.openScan(given.scan);
    this.controls = new Controls(this);
    this.controls.fillVersions();
    this.set({ ...this.firstState(), ...given, views: { ...this.firstState().views, ...given.views } });
    addEventListener("hashchange", () => location.hash !== this.hash() && this.follow());
    document.addEventListener("keydown", (event) => pressed(this, event));
  }

  /** Decode a volume's versions, and hang its planes. */
  openScan(number) {
    this.scan = this.told.scans[number];
    this.kinds = this.limits[number].kinds;
    this.thickest = this.limits[number].thickest;
    const volumes = Object.fromEntries(this.scan.volumes.map((volume) => [volume.kind, { ...volume,
      values: decode(document.getElementById(volume.element).textContent, volume.stored, volume.scale, volume.offset) }]));
    this.grid = volumes[mainOf(this.scan)];
    if (volumes.zero_filled) volumes.difference = differenceOf(volumes.super_resolved, volumes.zero_filled);
    this.samplers = Object.fromEntries(Object.entries(volumes).map(([kind, volume]) => [kind, new Sampler(this.grid, volume)]));
    this.views = planesOf(this.grid).map((plane) => new PlaneView(this, plane));
    this.active = this.views[0];
    document.getElementById("views").replaceChildren(...this.views.map((view) => view.section));
  }

  firstState() {
    const whole = { zoom: 1, x: 0.5, y: 0.5 };
    const { shape, spacing } = this.grid;
    const area = ({ plane }) => [plane.across, plane.down].reduce((product, axis) => product * shape[axis] * spacing[axis], 1);
    const largest = this.views.reduce((best, view) => (area(view) > area(best) ? view : best));
    return { scan: this.told.scans.indexOf(this.scan), shown: mainOf(this.scan), beside: "", swipe: 0.5, mode: "plane",
      slab: Math.min(FIRST_SLAB_MM, this.thickest), window: this.scan.window, spread: this.scan.spread || 1, isSmooth: true,
      at: shape.map((size) => size >> 1), tool: "cross", large: largest.plane.name,
      views: { axial: whole, coronal: whole, sagittal: whole } };
  }

  /** Change the state; what is impossible is brought to the nearest that is possible. */
  set(changes) {
    const before = this.state;
    const state = { ...before, ...changes };
    if (before && state.scan !== before.scan) return this.change(state.scan);
    const within = (value, low, high) => Math.max(low, Math.min(high, value));
    state.at = state.at.map((index, axis) => within(index, 0, this.grid.shape[axis] - 1));
    state.swipe = within(state.swipe, 0, 1);
    state.slab = within(state.slab, Math.min(...this.grid.spacing), this.thickest);
    if (!(state.window[1] > state.window[0])) state.window = before ? before.window : this.scan.window;
    if (!(state.spread > 0)) state.spread = before ? before.spread : this.scan.spread || 1;
    this.state = state;
    for (const view of this.views) view.render();
    this.controls.tell();
    clearTimeout(this.later);
    this.later = setTimeout(() => this.remember(), 300);
  }

  /** Another volume of the file: what is shown stays as far as it has that; its crosshair and window are new. */
  change(number) {
    const { shown, beside, mode, slab, isSmooth, swipe } = this.state;
    this.openScan(number);
    this.controls.fillVersions();
    const kept = { mode, slab, isSmooth, swipe };
    if (this.kinds.includes(shown)) kept.shown = shown;
    if (this.kinds.includes(beside)) kept.beside = beside;
    this.state = undefined;
    this.set({ ...this.firstState(), ...kept });
  }

  reset() {
    this.set(this.firstState());
  }

  exchange() {
    if (this.state.beside) this.set({ shown: this.state.beside, beside: this.state.shown });
  }

  /** The record of a version; differences that the page computes have none. */
  recordOf(kind) {
    return this.scan.volumes.find((volume) => volume.kind === kind) || {};
  }

  /** Window of a version: differences have their own, which is symmetric about zero; so have maps and labels. */
  windowOf(kind) {
    if (kind === "difference") return [-this.state.spread, this.state.spread];
    return this.recordOf(kind).window || this.state.window;
  }

  tableOf(kind) {
    const { colours, names } = this.recordOf(kind);
    const name = kind === "difference" ? kind : names ? `labels to ${names.length - 1}` : colours || "grey";
    this.tables[name] ||= names ? labelTable(names.length - 1) : colourTable(name);
    return this.tables[name];
  }

  /** Whether a version holds labels, between which nothing lies. */
  isOfLabels(kind) {
    return Boolean(this.recordOf(kind).names);
  }

  setWindowOfShown(low, high) {
    const record = this.recordOf(this.state.shown);
    if (this.state.shown === "difference") this.set({ spread: (high - low) / 2 });
    else if (record.window) {
      if (high > low && !record.names) record.window = [low, high];
      this.set({});
    }
    else this.set({ window: [low, high] });
  }

  /** A plane was zoomed or panned: the others zoom with it, about the crosshair. */
  setView(name, view) {
    const views = { ...this.state.views, [name]: view };
    if (view.zoom !== this.state.views[name].zoom) {
      for (const other of this.views.filter(({ plane }) => plane.name !== name)) {
        const { x, y } = pixelOf(other.plane, this.grid, this.state.at);
        const { across, down } = other.plane;
        const { shape } = this.grid;
        views[other.plane.name] = view.zoom === 1 ? view
          : { zoom: view.zoom, x: (x + 0.5) / shape[across], y: (y + 0.5) / shape[down] };
      }
    }
    this.set({ views });
  }

  /** Name of a version on controls. */
  nameOf(kind) {
    return kind === "difference" ? "difference" : this.titleOf(kind);
  }

  /** Name of a version on pictures, where differences say of what, and how far their colours reach. */
  titleOf(kind, isShort = false) {
    if (kind === "difference") {
      const name = isShort ? "difference" : `super-resolved − ${this.titleOf("zero_filled")}`;
      return `${name}, ±${this.state.spread.toPrecision(3)}`;
    }
    return this.scan.volumes.find((volume) => volume.kind === kind).title;
  }

  value(kind, voxel = this.state.at) {
    return this.samplers[kind].value(voxel);
  }

  /** Smallest step between two values that the stored versions have. */
  get finestQuantum() {
    return Math.min(...this.scan.volumes.map((volume) => volume.scale));
  }

  /** Value at the crosshair, to a tenth of the finest version's quantum. */
  valueText(kind) {
    const value = this.value(kind);
    const { names } = this.recordOf(kind);
    if (names) return `${Math.round(value)} ${names[Math.round(value)] || ""}`;
    const text = Math.abs(value).toFixed(digitsFor(this.finestQuantum));
    return (value < 0 ? "−" : kind === "difference" ? "+" : "") + text;
  }

  /** How exact the stored values are: {title: text}. */
  storage() {
    const told = {};
    for (const volume of this.scan.volumes) {
      const bits = volume.stored === "uint8" ? 8 : 16;
      told[`Stored: ${volume.title}`] = volume.isExact ? `${bits} bits, exactly`
        : `${bits} bits, exact to ±${(volume.scale / 2).toPrecision(2)}`;
      told[`Voxels: ${volume.title}`] = `${volume.shape.join(" × ")} of ${volume.spacing.map((mm) => mm.toPrecision(4) * 1).join(" × ")} mm (x, y, z)`;
    }
    const halves = this.scan.volumes.filter(({ kind }) => ["super_resolved", "zero_filled"].includes(kind));
    if (halves.length === 2) {
      told.Difference = `computed in this page, exact to ±${halves.reduce((sum, { scale, isExact }) =>
        sum + (isExact ? 0 : scale / 2), 0).toPrecision(2)}; its maximum over a slab is the value farthest from zero`;
    }
    return told;
  }

  hash() {
    return hashOf(this.state);
  }

  /** Keep the state in the address, without an entry in the history for every movement. */
  remember() {
    try {
      history.replaceState(null, "", this.hash());
    } catch {
      // Pages inside of others (notebooks) have no address of their own; the link's button still works.
    }
  }

  /** The address was changed by hand, or by going back. */
  follow() {
    const given = stateOf(location.hash, this.limits);
    if (given.scan !== this.state.scan) this.change(given.scan);
    const first = this.firstState();
    this.set({ ...first, ...given, views: { ...first.views, ...given.views } });
  }

  /** The three pictures as they are arranged, with what they show, as one PNG. */
  savePicture() {
    pictureOfPage(this).toBlob((blob) => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = `malibu-${this.state.shown.replace("_", "-")}.png`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
      this.controls.say(`${link.download} is saved.`);
    });
  }
}

/** The version that is shown first, on whose grid the page is. */
function mainOf(scan) {
  return scan.main || "super_resolved";
}

/** Versions that can be shown, in the order of the processing. */
function kindsOf(scan) {
  const kinds = scan.volumes.map((volume) => volume.kind);
  return kinds.includes("zero_filled") ? [...kinds, "difference"] : kinds;
}

if (typeof module !== "undefined") module.exports = { VolumePage, kindsOf };
