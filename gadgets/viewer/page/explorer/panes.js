"use strict";
// The pictures: each shows a frame, a difference or a map; all share crosshair, zoom and pan, and those of one kind
// their window.

/** Colour maps and names of the kinds of content. */
const FIRST_COLOURS = {
  frame: "grey", difference: "berlin", t1_map: "lipari", t1_uncertainty: "viridis", b1_map: "vik", b1_uncertainty: "viridis",
  data_misfit: "inferno",
};

const MAP_NAMES = {
  t1_map: "T1", t1_uncertainty: "T1, standard deviation", b1_map: "B1", b1_uncertainty: "B1, standard deviation",
  data_misfit: "Data misfit",
};

/** An element with attributes and children; texts become text. */
function made(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

/** Fill a select with [value, text] pairs. */
function fillChoice(select, choices, value) {
  select.replaceChildren(...choices.map(([key, text]) => made("option", { value: key }, text)));
  select.value = value;
}

/** What panes may show: [{key, name, group}]. */
function contentsOf(explorer) {
  const { methods, maps } = explorer;
  const frames = methods.map(({ name }, n) => ({ key: `frame:${n}`, name: methods.length > 1 ? `Image, ${name}` : "Image", group: "frame" }));
  const differences = methods.slice(1).map(({ name }, n) => ({
    key: `difference:${n + 1}`, name: `${methods[0].name} − ${name}`, group: "difference",
  }));
  const quantities = Object.keys(maps).map((kind) => ({ key: `map:${kind}`, name: MAP_NAMES[kind] || kind, group: kind }));
  return [...frames, ...differences, ...quantities];
}

class Pane {
  constructor(explorer, index, drawing) {
    this.explorer = explorer;
    this.index = index;
    this.canvas = made("canvas", { role: "img", "aria-label": "Picture" });
    this.content = made("select", { "aria-label": `What picture ${index + 1} shows` });
    this.colours = made("select", { "aria-label": `Colours of picture ${index + 1}` });
    [this.low, this.high, this.bar] = [made("span"), made("span"), made("i")];
    const bar = made("div", { class: "colour-bar" }, this.low, this.bar, this.high);
    this.figure = made("figure", { class: "pane" }, this.canvas, made("figcaption", {}, this.content, this.colours, bar));
    this.picture = new Picture(this.canvas, {
      onWindow: (low, high) => explorer.setWindow(this.group, low, high),
      onCross: (x, y) => explorer.set({ cross: [x, y] }),
      onView: (view) => explorer.set({ view: { ...view } }),
      onDraw: (phase, place, event) => drawing.on(phase, place, event),
      onDouble: () => drawing.finish(),
      paint: (context, toScreen) => {
        drawing.paint(context, toScreen);
        paintFrameOfReference(context, toScreen, explorer.slice, this.canvas);
      },
    });
    this.picture.spacing = explorer.slice.pixelMm[0] / explorer.slice.pixelMm[1];
    this.content.onchange = () => explorer.setPane(index, this.content.value);
    this.colours.onchange = () => explorer.set({ colours: { ...explorer.state.colours, [this.group]: this.colours.value } });
  }

  show() {
    const { explorer, picture } = this;
    const { state } = explorer;
    const key = state.panes[this.index];
    const contents = explorer.contents;
    const shown = contents.find((content) => content.key === key) || contents[0];
    this.group = shown.group;
    if (this.filledFor !== explorer.slice) {
      fillChoice(this.content, contents.map((content) => [content.key, content.name]), shown.key);
      fillChoice(this.colours, COLOUR_MAPS.map((name) => [name, name]), "grey");
      this.filledFor = explorer.slice;
    }
    if (this.content.value !== shown.key) this.content.value = shown.key;
    const colours = state.colours[this.group] || FIRST_COLOURS[this.group];
    this.colours.value = colours;
    const [low, high] = explorer.windowOf(this.group);
    [picture.window, picture.view, picture.tool] = [{ low, high }, state.view, state.tool];
    [picture.isSmooth, picture.cross] = [state.isSmooth, state.cross && { x: state.cross[0], y: state.cross[1] }];
    if (picture.colours !== colours) [picture.colours, picture.table] = [colours, colourTable(colours)];
    const image = explorer.imageOf(shown.key);
    this.draw(shown, image.values, colours);
    const unit = image.unit ? ` ${image.unit}` : "";
    [this.low.textContent, this.high.textContent] = [short(low), `${short(high)}${unit}`];
    this.bar.style.background = colourGradient(colours);
    const where = this.isMap(shown) ? "" : `, ${explorer.placeInWords()}`;
    this.canvas.setAttribute("aria-label", shown.name + where);
  }

  isMap(shown) {
    return Boolean(this.explorer.maps[shown.group]);
  }

  /** A map stays as it is while only time changes. */
  draw(shown, values, colours) {
    const { explorer, picture } = this;
    const { slice, cross, view, isSmooth, regions, line, panes } = explorer.state;
    const key = JSON.stringify([shown.key, slice, cross, view, isSmooth, regions, line, panes.length, picture.window, colours]);
    if (this.isMap(shown) && key === this.drawn) return;
    this.drawn = key;
    picture.setImage(values, explorer.slice.rows, explorer.slice.columns);
  }
}

/** A number with three digits. */
function short(value) {
  if (!Number.isFinite(value)) return "–";
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** Sides of the patient at the edges, and a bar of 50 mm. */
function paintFrameOfReference(context, toScreen, slice, canvas) {
  const { width, height } = sizeOf(canvas);
  const [right, bottom] = [sideOf(slice.rowDir), sideOf(slice.columnDir)];
  context.font = "600 13px system-ui, sans-serif";
  context.fillStyle = "rgba(255,255,255,.9)";
  context.strokeStyle = "rgba(0,0,0,.75)";
  context.lineWidth = 3;
  const write = (text, x, y, align, baseline) => {
    [context.textAlign, context.textBaseline] = [align, baseline];
    context.strokeText(text, x, y);
    context.fillText(text, x, y);
  };
  write(right, width - 8, height / 2, "right", "middle");
  write(opposite(right), 8, height / 2, "left", "middle");
  write(bottom, width / 2, height - 8, "center", "bottom");
  write(opposite(bottom), width / 2, 8, "center", "top");
  const [start, end] = [toScreen(0, 0)[0], toScreen(50 / slice.pixelMm[1], 0)[0]];
  if (end - start > width / 2) return;
  context.fillRect(10, height - 12, end - start, 2);
  write("50 mm", 10, height - 15, "left", "bottom");
}

if (typeof module !== "undefined") module.exports = { contentsOf, short };
