"use strict";
// What leaves the page, into a file or the clipboard: pictures, films, tables, the address of the view.

/** Offer a file for saving. */
function saveAs(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** Pictures side by side with a line of text below, on a canvas of their own. */
function composed(pictures, text, into = document.createElement("canvas")) {
  const [width, height] = [
    pictures.reduce((sum, { canvas }) => sum + canvas.width, 0),
    Math.max(...pictures.map(({ canvas }) => canvas.height)),
  ];
  const line = Math.max(18, Math.round(height / 24));
  // Video encoders want even sides.
  const [wide, high] = [width + (width % 2), height + line + ((height + line) % 2)];
  if (into.width !== wide || into.height !== high) [into.width, into.height] = [wide, high];
  const context = into.getContext("2d");
  context.fillStyle = "#000";
  context.fillRect(0, 0, wide, high);
  let left = 0;
  for (const { canvas } of pictures) {
    context.drawImage(canvas, left, 0);
    left += canvas.width;
  }
  context.fillStyle = "#fff";
  context.textBaseline = "middle";
  context.font = `${Math.round(0.62 * line)}px system-ui, sans-serif`;
  context.fillText(text, 8, height + line / 2, wide - 16);
  return into;
}

function savePng(canvas, name) {
  canvas.toBlob((blob) => saveAs(blob, name), "image/png");
}

/** The type of film that the browser can record, or null. */
function filmType() {
  if (typeof MediaRecorder === "undefined" || !HTMLCanvasElement.prototype.captureStream) return null;
  return ["video/webm;codecs=vp9", "video/webm", "video/mp4"].find((type) => MediaRecorder.isTypeSupported(type)) || null;
}

/**
 * Record a film: `drawFrame(share)` draws the frame at a share (0 to 1) of one cycle into the canvas.
 * @returns {Promise<Blob>}
 */
function recorded(canvas, cycleMs, cycles, drawFrame) {
  const type = filmType();
  const stream = canvas.captureStream(30);
  const recorder = new MediaRecorder(stream, { mimeType: type, videoBitsPerSecond: 8e6 });
  const parts = [];
  recorder.ondataavailable = ({ data }) => data.size && parts.push(data);
  return new Promise((resolve, reject) => {
    recorder.onstop = () => resolve(new Blob(parts, { type: type.split(";")[0] }));
    recorder.onerror = ({ error }) => reject(error);
    let start = null;
    const step = (now) => {
      if (start === null) {
        start = now;
        recorder.start();
      }
      drawFrame(((now - start) / cycleMs) % 1);
      if (now - start < cycles * cycleMs) requestAnimationFrame(step);
      else recorder.stop();
    };
    requestAnimationFrame(step);
  });
}

/** Put a text into the clipboard, also where the browser has no permission to ask for: whether it worked. */
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.style.position = "fixed";
    area.style.opacity = "0";
    document.body.append(area);
    area.select();
    const worked = document.execCommand("copy");
    area.remove();
    return worked;
  }
}

if (typeof module !== "undefined") module.exports = { saveAs, composed, savePng, filmType, recorded, copied };
