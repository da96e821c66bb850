"use strict";
// The picture of a line over an axis, with a mark where one is.

class LineView {
  constructor(explorer, section) {
    this.explorer = explorer;
    this.section = section;
    this.canvas = document.getElementById("line-canvas");
    this.axis = document.getElementById("line-axis");
    this.buffer = document.createElement("canvas");
    this.axis.onchange = () => explorer.set({ lineAxis: this.axis.value });
    const pick = (event) => {
      if (!event.buttons || !this.changes) return;
      const share = event.offsetX / this.canvas.clientWidth;
      const place = Math.max(0, Math.min(this.changes.length - 1, Math.floor(share * this.changes.length)));
      explorer.set(this.changes[place]);
    };
    this.canvas.onpointerdown = (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      this.held = this.along; // the time that is shown stays while one drags
      pick(event);
    };
    this.canvas.onpointermove = pick;
    this.canvas.onpointerup = this.canvas.onpointercancel = () => (this.held = null);
    new ResizeObserver(() => this.show()).observe(this.canvas);
  }

  show() {
    const { explorer } = this;
    const { line } = explorer.state;
    const axes = lineAxes(explorer);
    this.section.hidden = !line || !axes.length;
    if (this.section.hidden || !sizeOf(this.canvas).width) return;
    if (this.filledFor !== explorer.slice) fillChoice(this.axis, axes, axes[0][0]);
    this.filledFor = explorer.slice;
    const axis = axes.some(([name]) => name === explorer.state.lineAxis) ? explorer.state.lineAxis : axes[0][0];
    this.axis.value = axis;
    this.compute(axis, line);
    this.paint();
  }

  /** Anew only if the line or what is held fixed has changed: going along the axis itself costs nothing. */
  compute(axis, line) {
    const { explorer } = this;
    const { cardiac, respiratory, pulse, method } = explorer.state;
    const fixed = { cardiac, respiratory, pulse, [axis === "recovery" ? "pulse" : axis]: null };
    if (axis === "time") fixed.around = this.held ? this.key?.around : explorer.columnsAround(LINE_SECONDS);
    const key = JSON.stringify([explorer.state.slice, axis, line, method, axis === "time" ? fixed.around : fixed]);
    if (this.held || key === this.along) return;
    this.along = key;
    const { phis, changes } = phisAlong(explorer, axis);
    this.changes = changes;
    this.image = linePicture(explorer.method.factor, line, phis);
  }

  paint() {
    const { explorer, image, changes, buffer, canvas } = this;
    [buffer.width, buffer.height] = [image.columns, image.rows];
    const pixels = buffer.getContext("2d").createImageData(image.columns, image.rows);
    const colours = explorer.state.colours.frame || FIRST_COLOURS.frame;
    colourise(image.values, ...explorer.windowOf("frame"), colourTable(colours), new Uint32Array(pixels.data.buffer));
    buffer.getContext("2d").putImageData(pixels, 0, 0);
    const { context, width, height } = sharpContext(canvas);
    context.imageSmoothingEnabled = explorer.state.isSmooth;
    context.drawImage(buffer, 0, 0, width, height);
    const [name] = Object.keys(changes[0]);
    const now = explorer.state[name];
    if (name !== "moment" && explorer.state.moment !== null) return this.note(name);
    let nearest = 0;
    changes.forEach((change, n) => {
      if (Math.abs(change[name] - now) < Math.abs(changes[nearest][name] - now)) nearest = n;
    });
    const x = ((nearest + 0.5) * width) / changes.length;
    for (const [style, wide] of [["rgba(0,0,0,.6)", 3], ["rgba(110,220,255,.95)", 1.2]]) {
      [context.strokeStyle, context.lineWidth] = [style, wide];
      context.beginPath();
      context.moveTo(x, 0);
      context.lineTo(x, height);
      context.stroke();
    }
    this.note(name);
  }

  note(name) {
    const { explorer, changes } = this;
    const [[x0, y0], [x1, y1]] = explorer.state.line;
    const [tall, wide] = explorer.slice.pixelMm;
    const length = Math.hypot((x1 - x0) * wide, (y1 - y0) * tall);
    const { model } = explorer;
    const across = {
      cardiac: () => `one heartbeat of ${explorer.beatMs.toFixed(0)} ms`,
      respiratory: () => "expiration to inspiration",
      pulse: () => `${changes.map((change) => model.sequence.inversionTimeMs(change.pulse)).filter((_, n, all) => n === 0 || n === all.length - 1).map((ms) => ms.toFixed(0)).join(" to ")} ms after the inversion`,
      moment: () => `${explorer.timeInWords(changes[0].moment)} to ${explorer.timeInWords(changes[changes.length - 1].moment)}`,
    }[name]();
    document.getElementById("line-note").textContent = `Down: ${length.toFixed(0)} mm from the line's start. Across: ${across}.`;
  }
}

if (typeof module !== "undefined") module.exports = { LineView };
