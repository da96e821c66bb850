"use strict";
// Asks the server for new items and shows them: the newest image large, each series as a moving tile.

const ASKED_EVERY_MS = 500;
const ASKED_AFTER_FAILURE_MS = 3000;

const page = Object.fromEntries(
  ["state", "beware", "now", "caption", "tiles", "gating", "strip", "hold"].map((id) => [id, document.getElementById(id)]));
const isStill = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
let scan = emptyScan();
let chosen = null; // key of the series that is shown large; null: the newest image
let last = "";

/** Grey pixels of an item, once. */
function greyOf(item) {
  if (item.grey) return item.grey;
  const [rows, columns] = item.shape;
  const values = decode(item.pixels, "uint16", item.scale);
  const [low, high] = windowOf(item);
  const image = new ImageData(columns, rows);
  for (let i = 0; i < values.length; i++) {
    const level = (255 * (values[i] - low)) / (high - low); // a clamped array cuts below 0 and above 255
    image.data.set([level, level, level, 255], 4 * i);
  }
  delete item.pixels;
  item.grey = image;
  return image;
}

function draw(canvas, item) {
  const image = greyOf(item);
  if (canvas.width !== image.width || canvas.height !== image.height) [canvas.width, canvas.height] = [image.width, image.height];
  canvas.getContext("2d").putImageData(image, 0, 0);
}

function captionOf(item) {
  const ms = (name, text) => (item.meta[name] ? `, ${text} ${Number(item.meta[name]).toFixed(0)} ms` : "");
  const unit = item.meta.MalibuUnit ? ` in ${item.meta.MalibuUnit}` : "";
  return `${item.name}${unit}, image ${item.number}` + ms("InversionTime", "inversion time") + ms("CardiacPhaseMs", "after end-diastole");
}

/** The moving picture of a series: by the clock, or its last image where motion is not wanted. */
function currentOf(series) {
  const { images } = series;
  if (isStill || images.length < 2) return images[images.length - 1];
  return images[Math.floor(performance.now() / frameMs(images)) % images.length];
}

function drawStrip(gating) {
  page.gating.hidden = !gating;
  if (!gating) return;
  const context = page.strip.getContext("2d");
  const { width, height } = page.strip;
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);
  const [from, to] = [gating.time_s[0], gating.time_s[gating.time_s.length - 1]];
  const across = (time) => ((time - from) / (to - from)) * width;
  const [least, most] = [Math.min(...gating.respiration), Math.max(...gating.respiration)];
  context.clearRect(0, 0, width, height);
  context.strokeStyle = colour("--quiet");
  for (const beat of gating.beats_s) context.strokeRect(across(beat), height - 12, 0, 12);
  context.strokeStyle = colour("--accent");
  context.beginPath();
  gating.respiration.forEach((value, i) =>
    context.lineTo(across(gating.time_s[i]), height - 20 - ((value - least) / (most - least || 1)) * (height - 30)));
  context.stroke();
}

function tileOf(key, series) {
  const tile = document.createElement("button");
  tile.type = "button";
  const canvas = document.createElement("canvas");
  const name = document.createElement("span");
  name.textContent = series.name;
  tile.append(canvas, name);
  tile.addEventListener("click", () => choose(chosen === key ? null : key));
  tile.dataset.key = key;
  tile.setAttribute("aria-pressed", "false");
  page.tiles.append(tile);
  return tile;
}

function choose(key) {
  chosen = key;
  page.hold.setAttribute("aria-pressed", String(key !== null));
  for (const tile of page.tiles.children) tile.setAttribute("aria-pressed", String(tile.dataset.key === key));
}

function show() {
  const shown = chosen && scan.series.has(chosen) ? currentOf(scan.series.get(chosen)) : scan.newest;
  if (shown) {
    draw(page.now, shown);
    page.caption.textContent = captionOf(shown);
  }
  for (const tile of page.tiles.children) draw(tile.firstChild, currentOf(scan.series.get(tile.dataset.key)));
  requestAnimationFrame(show);
}

/** Texts and tiles after items came. */
function renew(isNewScan) {
  if (isNewScan) {
    page.tiles.replaceChildren();
    choose(null);
  }
  const known = new Set([...page.tiles.children].map((tile) => tile.dataset.key));
  for (const [key, series] of scan.series) if (!known.has(key)) tileOf(key, series);
  page.state.textContent = stateText(scan);
  page.beware.hidden = !scan.told.MalibuRemarks;
  page.beware.textContent = scan.told.MalibuRemarks ? `Beware: ${scan.told.MalibuRemarks}` : "";
  drawStrip(scan.gating);
  if (!scan.explorer) return;
  const link = document.createElement("a");
  link.href = encodeURIComponent(scan.explorer);
  link.textContent = "Open the explorer";
  page.state.append(" ", link);
}

async function ask() {
  let pause = ASKED_EVERY_MS;
  try {
    const answer = await fetch(`items?after=${encodeURIComponent(last)}`);
    if (!answer.ok) throw new Error(answer.statusText);
    const items = await answer.json();
    const before = scan.name;
    for (const item of items) {
      scan = taken(scan, item);
      last = item.item;
    }
    if (items.length) {
      renew(scan.name !== before);
      pause = 0;
    }
  } catch (error) {
    page.state.textContent = `The server does not answer (${error.message}); malibu may have ended.`;
    pause = ASKED_AFTER_FAILURE_MS;
  }
  setTimeout(ask, pause);
}

page.hold.addEventListener("click", () => choose(chosen === null && scan.newest ? `${scan.newest.series}/${scan.newest.slice}` : null));
requestAnimationFrame(show);
ask();
