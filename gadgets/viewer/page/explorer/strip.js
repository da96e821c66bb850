"use strict";
// The navigator as a strip: respiration with its bins, heartbeats (ectopic ones marked), spokes that were left out, and
// the moment that is shown. A click goes there.

const STRIP_MARGIN = { left: 8, right: 8, top: 18, bottom: 20 };

class Strip {
  /** onPick(time in s): the moment that was clicked or dragged to. */
  constructor(canvas, gating, fields, onPick) {
    this.canvas = canvas;
    this.gating = gating;
    const [rows, columns] = gating.values.shape;
    const values = fields.of(gating.values);
    this.rows = {};
    gating.rows.forEach((name, row) => (this.rows[name] = values.subarray(row * columns, (row + 1) * columns)));
    this.count = rows ? columns : 0;
    const pick = (event) => {
      if (!event.buttons) return;
      const box = canvas.getBoundingClientRect();
      const share = (event.clientX - box.left - STRIP_MARGIN.left) / (box.width - STRIP_MARGIN.left - STRIP_MARGIN.right);
      onPick(this.start + Math.max(0, Math.min(1, share)) * (this.end - this.start));
    };
    canvas.onpointerdown = (event) => {
      canvas.setPointerCapture(event.pointerId);
      pick(event);
    };
    canvas.onpointermove = pick;
  }

  get start() {
    return this.rows.time_s[0];
  }

  get end() {
    return this.rows.time_s[this.count - 1];
  }

  /** The sorting of the spoke nearest to a time. */
  at(time) {
    const times = this.rows.time_s;
    let [low, high] = [0, this.count - 1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (times[middle] > time) high = middle;
      else low = middle;
    }
    const nearest = time - times[low] < times[high] - time ? low : high;
    return Object.fromEntries(Object.entries(this.rows).map(([name, row]) => [name, row[nearest]]));
  }

  /** @param {{cardiac, respiratory, moment: number|null}} shown bins that are shown, or the time of a moment in s. */
  draw(shown) {
    this.shown = shown;
    if (!sizeOf(this.canvas).width || !this.count) return;
    const { context, width, height } = sharpContext(this.canvas);
    this.place(width, height);
    const key = [width, height, this.canvas.width, token("text")].join();
    if (this.still?.key !== key) this.still = { key, canvas: this.stillParts(width, height) };
    context.drawImage(this.still.canvas, 0, 0, width, height);
    if (shown.moment === null) this.sorted(context, shown, height);
    else this.moment(context, shown.moment, height);
  }

  place(width, height) {
    const wide = width - STRIP_MARGIN.left - STRIP_MARGIN.right;
    this.toX = (time) => STRIP_MARGIN.left + ((time - this.start) / (this.end - this.start)) * wide;
    this.toY = (share) => STRIP_MARGIN.top + (1 - share) * (height - STRIP_MARGIN.top - STRIP_MARGIN.bottom);
  }

  /** What does not change: thousands of lines, drawn once. */
  stillParts(width, height) {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [this.canvas.width, this.canvas.height];
    const context = canvas.getContext("2d");
    context.scale(canvas.width / width, canvas.height / height);
    this.leftOut(context, height);
    this.respiration(context);
    this.beats(context);
    this.times(context, width, height);
    return canvas;
  }

  /** Spokes that were not used: those of ectopic beats. */
  leftOut(context, height) {
    const { kept, time_s: times } = this.rows;
    context.fillStyle = token("bad");
    context.globalAlpha = 0.16;
    for (let i = 0; i < this.count; i++)
      if (kept[i] === 0) {
        const x = this.toX(times[i]);
        context.fillRect(x, STRIP_MARGIN.top, this.toX(times[Math.min(i + 1, this.count - 1)]) - x + 0.5,
          height - STRIP_MARGIN.top - STRIP_MARGIN.bottom);
      }
    context.globalAlpha = 1;
  }

  /** Times whose spokes are nearest to the bins that are shown. */
  sorted(context, { cardiac, respiratory }, height) {
    const { cardiac_bin: hearts, respiratory_bin: breaths, kept, time_s: times } = this.rows;
    context.fillStyle = token("accent");
    context.globalAlpha = 0.55;
    for (let i = 0; i < this.count; i++) {
      const belongs = [[hearts, cardiac], [breaths, respiratory]].every(([row, bin]) => row[i] < 0 || row[i] === bin);
      if (kept[i] && belongs) context.fillRect(this.toX(times[i]), height - STRIP_MARGIN.bottom - 6, 1.2, 6);
    }
    context.globalAlpha = 1;
  }

  /** The signal in steps of its bins' colours, from end-expiration (quiet) to inspiration (accent). */
  respiration(context) {
    const { respiration, respiratory_bin: bins, time_s: times } = this.rows;
    const [lowest, highest] = [Math.min(...bins), Math.max(...bins)];
    if (highest < 0) return this.say(context, "breathing was not resolved");
    const [low, high] = [Math.min(...respiration), Math.max(...respiration)];
    context.lineWidth = 1.6;
    for (let bin = lowest; bin <= highest; bin++) {
      context.strokeStyle = `color-mix(in oklab, ${token("accent")} ${(100 * (bin + 0.7)) / (highest + 0.7)}%, ${token("quiet")})`;
      context.beginPath();
      for (let i = 0; i + 1 < this.count; i++)
        if (bins[i] === bin) {
          context.moveTo(this.toX(times[i]), this.toY((respiration[i] - low) / (high - low)));
          context.lineTo(this.toX(times[i + 1]), this.toY((respiration[i + 1] - low) / (high - low)));
        }
      context.stroke();
    }
  }

  beats(context) {
    const ectopic = new Set(this.gating.ectopic);
    this.gating.beatsS.forEach((time, number) => {
      if (time < this.start || time > this.end) return;
      const [x, isEctopic] = [this.toX(time), ectopic.has(number)];
      context.strokeStyle = context.fillStyle = token(isEctopic ? "bad" : "text");
      context.globalAlpha = isEctopic ? 1 : 0.7;
      context.lineWidth = isEctopic ? 2 : 1;
      context.beginPath();
      context.moveTo(x, 4);
      context.lineTo(x, STRIP_MARGIN.top - 3);
      context.stroke();
      if (isEctopic) {
        context.beginPath();
        context.arc(x, 5, 3.5, 0, 2 * Math.PI);
        context.fill();
      }
      context.globalAlpha = 1;
    });
    if (!this.gating.beatsS.length) this.say(context, "no heartbeat was resolved", 4);
  }

  times(context, width, height) {
    context.font = "12px system-ui, sans-serif";
    context.fillStyle = token("quiet");
    context.textBaseline = "bottom";
    const ticks = ticksOf(this.start, this.end, Math.max(2, Math.floor(width / 90)));
    ticks.forEach((tick, n) => {
      context.textAlign = n === ticks.length - 1 ? "right" : "center";
      const x = Math.min(this.toX(tick) + (n === ticks.length - 1 ? 8 : 0), width - 2);
      context.fillText(`${tick} s`, Math.max(x, 12), height - 2);
    });
  }

  moment(context, time, height) {
    const x = this.toX(time);
    context.strokeStyle = context.fillStyle = token("accent");
    context.lineWidth = 2;
    context.beginPath();
    context.moveTo(x, 2);
    context.lineTo(x, height - STRIP_MARGIN.bottom);
    context.stroke();
    context.beginPath();
    context.arc(x, height - STRIP_MARGIN.bottom, 4, 0, 2 * Math.PI);
    context.fill();
  }

  say(context, text, y = STRIP_MARGIN.top + 6) {
    context.font = "12px system-ui, sans-serif";
    context.fillStyle = token("quiet");
    context.textAlign = "left";
    context.textBaseline = "top";
    context.fillText(text, STRIP_MARGIN.left, y);
  }
}

if (typeof module !== "undefined") module.exports = { Strip };
