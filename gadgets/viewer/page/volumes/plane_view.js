"use strict";
// One of the three planes: its picture, the second version beside the divider, and the slider through the planes.

/** Wheel movement that makes one step, in CSS pixels: mice send 100 or more at a time, trackpads a few. */
const WHEEL_STEP = 40;

/** Pictures of fewer CSS pixels across have no room for the versions' names; for long ones. */
const NARROW = 260;
const ROOMY = 460;

/** A version's picture as a canvas of its own pixels. */
class Layer {
  constructor() {
    this.canvas = document.createElement("canvas");
  }

  set(values, rows, columns, low, high, table) {
    if (this.canvas.width !== columns || this.canvas.height !== rows || !this.pixels) {
      [this.canvas.width, this.canvas.height] = [columns, rows];
      this.pixels = this.canvas.getContext("2d").createImageData(columns, rows);
    }
    colourise(values, low, high, table, new Uint32Array(this.pixels.data.buffer));
    this.canvas.getContext("2d").putImageData(this.pixels, 0, 0);
  }
}

class PlaneView {
  /**
   * @param {object} page the VolumePage: state, set(), grid, samplers, windowOf(kind), titleOf(kind).
   * @param {object} plane of planesOf.
   */
  constructor(page, plane) {
    this.page = page;
    this.plane = plane;
    this.layer = new Layer();
    this.turned = 0;
    this.build();
    this.picture = new Picture(this.canvas, {
      spacing: page.grid.spacing[plane.down] / page.grid.spacing[plane.across],
      onCross: (x, y) => page.set({ at: voxelAt(plane, page.grid, page.state.at, x, y) }),
      onWindow: (low, high) => page.setWindowOfShown(low, high),
      onView: (view) => page.setView(plane.name, view),
      onWheel: (event) => this.wheel(event),
      onDouble: () => page.set({ large: plane.name }),
      paint: (context, toScreen) => this.paint(context, toScreen),
    });
  }

  build() {
    const { name } = this.plane;
    const title = name[0].toUpperCase() + name.slice(1);
    this.section = document.getElementById("view-template").content.firstElementChild.cloneNode(true);
    this.section.dataset.plane = name;
    const find = (selector) => this.section.querySelector(selector);
    [this.canvas, this.divider, this.slider, this.output] =
      ["canvas", ".divider", "input", "output"].map((selector) => find(selector));
    find(".name").textContent = title;
    find(".enlarge").setAttribute("aria-label", `Enlarge ${name}`);
    this.canvas.setAttribute("aria-label",
      `${title} plane: arrows move the crosshair, Page Up and Page Down go through the planes`);
    this.slider.max = this.page.grid.shape[this.plane.normal] - 1;
    this.slider.addEventListener("input", () => this.goTo(Number(this.slider.value)));
    this.canvas.addEventListener("focus", () => { this.page.active = this; });
    find(".enlarge").addEventListener("click", () => this.page.set({ large: name }));
    this.bindDivider();
  }

  bindDivider() {
    const { divider, page } = this;
    const toShare = (event) => {
      const box = this.canvas.getBoundingClientRect();
      page.set({ swipe: (event.clientX - box.left) / box.width });
    };
    divider.addEventListener("pointerdown", (event) => {
      divider.setPointerCapture(event.pointerId);
      event.preventDefault();
      divider.focus({ preventScroll: true });
    });
    divider.addEventListener("pointermove", (event) => divider.hasPointerCapture(event.pointerId) && toShare(event));
    divider.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -0.02, ArrowRight: 0.02, ArrowDown: -0.02, ArrowUp: 0.02, PageDown: -0.1, PageUp: 0.1,
        Home: -1, End: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      page.set({ swipe: page.state.swipe + step });
    });
  }

  get index() {
    return this.page.state.at[this.plane.normal];
  }

  /** Go to a plane; beyond the volume, to its last one. */
  goTo(index) {
    const at = this.page.state.at.slice();
    at[this.plane.normal] = index;
    this.page.set({ at });
  }

  /** Go on by some planes towards the head, the front, or the right. */
  step(count) {
    const { grid } = this.page;
    const wanted = [-1, -1, 1][this.plane.patientNormal];
    const isAlong = grid.axes[this.plane.normal][this.plane.patientNormal] * wanted > 0;
    this.goTo(this.index + (isAlong ? count : -count));
  }

  /** The wheel goes through the planes; with Ctrl, as a trackpad's pinch, it zooms. */
  wheel(event) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return false;
    this.turned += event.deltaMode ? event.deltaY * WHEEL_STEP : event.deltaY;
    const steps = Math.trunc(this.turned / WHEEL_STEP);
    if (steps) {
      this.turned = 0; // a mouse's notch is one step, however far its driver says
      this.step(-Math.sign(steps));
    }
    return true;
  }

  /** First and last plane that are shown together. */
  get range() {
    const { state, grid } = this.page;
    if (state.mode === "plane") return [this.index, this.index];
    const { normal } = this.plane;
    return slabRange(this.index, state.slab, grid.spacing[normal], grid.shape[normal]);
  }

  /** Values of a version's picture, as they are shown. */
  valuesOf(kind) {
    const { mode } = this.page.state;
    const reduction = mode === "mean" && !this.page.isOfLabels(kind) ? "mean" : kind === "difference" ? "extreme" : "max";
    return this.page.samplers[kind].picture(this.plane, this.range, reduction);
  }

  render() {
    const { state, grid } = this.page;
    const { plane, picture } = this;
    const [columns, rows] = [grid.shape[plane.across], grid.shape[plane.down]];
    const [low, high] = this.page.windowOf(state.shown);
    picture.window = { low, high };
    picture.table = this.page.tableOf(state.shown);
    picture.cross = pixelOf(plane, grid, state.at);
    picture.view = state.views[plane.name];
    picture.isSmooth = state.isSmooth && !this.page.isOfLabels(state.shown);
    picture.tool = state.tool;
    if (state.beside) {
      const window = this.page.windowOf(state.beside);
      this.layer.set(this.valuesOf(state.beside), rows, columns, ...window, this.page.tableOf(state.beside));
    }
    picture.setImage(this.valuesOf(state.shown), rows, columns); // draws, once, with all of the above
    this.tell();
  }

  tell() {
    const { state, grid } = this.page;
    this.section.classList.toggle("large", state.large === this.plane.name);
    const isFlipped = grid.axes[this.plane.normal][this.plane.patientNormal] < 0;
    this.slider.value = this.index;
    this.slider.dir = isFlipped ? "rtl" : "ltr"; // to the right is always to the left, back, or head of the patient
    this.output.textContent = `${this.index + 1} of ${grid.shape[this.plane.normal]}`;
    this.slider.setAttribute("aria-valuetext", `${this.output.textContent}, ${this.place}`);
    this.divider.hidden = !state.beside;
    const percent = Math.round(100 * state.swipe);
    this.divider.style.left = `${100 * state.swipe}%`;
    this.divider.setAttribute("aria-valuenow", percent);
    this.divider.setAttribute("aria-valuetext", state.beside
      ? `${percent} %: ${this.page.titleOf(state.shown)} left, ${this.page.titleOf(state.beside)} right` : "off");
  }

  /** Where the plane lies along the patient's axis that its normal follows most: "H 12.0 mm". */
  get place() {
    const mm = placeOf(this.page.grid, this.page.state.at)[this.plane.patientNormal];
    return `${LETTERS[this.plane.patientNormal][mm < 0 ? 0 : 1]} ${Math.abs(mm).toFixed(1)} mm`;
  }

  paint(context, toScreen) {
    const { state, grid } = this.page;
    const { plane } = this;
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    if (state.beside) this.paintBeside(context, width, height);
    this.paintSlabs(context, toScreen, width, height);
    const tilt = width >= NARROW && plane.tilt >= 1 ? `, tilted ${Math.round(plane.tilt)}°` : "";
    writeOver(context, plane.name[0].toUpperCase() + plane.name.slice(1) + tilt, MARGIN, MARGIN);
    writeOver(context, this.place, MARGIN, MARGIN + 17);
    if (state.mode !== "plane") writeOver(context, this.slabText, MARGIN, MARGIN + 34, "left", "top", "#ffd479");
    const { x, y } = pixelOf(plane, grid, state.at);
    const [crossX, crossY] = toScreen(x + 0.5, y + 0.5);
    const acrossLines = state.beside ? [crossX, state.swipe * width] : [crossX];
    drawEdgeLetters(context, edgeLetters(plane, grid), width, height, acrossLines, crossY);
    const pixelsPerMm = (toScreen(1, 0)[0] - toScreen(0, 0)[0]) / grid.spacing[plane.across];
    drawRuler(context, pixelsPerMm, width, height);
    if (width < NARROW) return; // the large picture has the same
    const title = (kind) => this.page.titleOf(kind, width < ROOMY);
    writeOver(context, title(state.shown), MARGIN, height - MARGIN, "left", "bottom");
    if (state.beside) writeOver(context, title(state.beside), width - MARGIN, height - MARGIN, "right", "bottom");
  }

  get slabText() {
    const [first, last] = this.range;
    const mm = (last - first + 1) * this.page.grid.spacing[this.plane.normal];
    const mode = this.page.state.mode === "max" ? "max" : "mean";
    const planes = this.canvas.clientWidth < NARROW ? "" : `${last - first + 1} planes, `;
    return `${mode} of ${planes}${mm.toFixed(1)} mm`;
  }

  paintBeside(context, width, height) {
    const { scaleX, scaleY, left, top } = this.picture.geometry();
    const { canvas } = this.layer;
    const x = this.page.state.swipe * width;
    context.save();
    context.beginPath();
    context.rect(x, 0, width - x, height);
    context.clip();
    context.fillStyle = "#000";
    context.fillRect(x, 0, width - x, height);
    context.drawImage(canvas, left, top, canvas.width * scaleX, canvas.height * scaleY);
    context.restore();
    drawDivider(context, x, height);
  }

  /** Ends of the slabs of the other two planes, which are seen from their sides here. */
  paintSlabs(context, toScreen, width, height) {
    const { state, grid, views } = this.page;
    if (state.mode === "plane") return;
    for (const other of views) {
      if (other === this) continue;
      const isAcross = other.plane.normal === this.plane.across;
      const ends = other.range.map((index) => {
        const voxel = state.at.slice();
        voxel[other.plane.normal] = index;
        const pixel = pixelOf(this.plane, grid, voxel);
        return isAcross ? pixel.x : pixel.y;
      });
      drawSlab(context, toScreen, [Math.min(...ends), Math.max(...ends) + 1], isAcross, width, height);
    }
  }
}

if (typeof module !== "undefined") module.exports = { PlaneView };
