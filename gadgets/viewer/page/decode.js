"use strict";
// Numbers that travel in the page as base64, little-endian, become Float32Array.

/** Bytes of a base64 text. */
function bytesOf(text) {
  const trimmed = text.trim();
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(trimmed); // ten times as fast, where the browser has it
  const binary = atob(trimmed);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

let halfTable = null;

/** All 65,536 values of IEEE 754 half precision: a look-up is faster than arithmetic on millions of numbers. */
function halfValues() {
  if (halfTable) return halfTable;
  halfTable = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    let value = (1 + fraction / 1024) * 2 ** (exponent - 15);
    if (exponent === 0) value = fraction * 2 ** -24; // subnormal
    if (exponent === 31) value = fraction ? NaN : Infinity;
    halfTable[bits] = sign * value;
  }
  return halfTable;
}

/**
 * Decode numbers.
 * @param {string} text base64.
 * @param {"float16"|"uint16"|"uint8"|"float32"} kind
 * @param {number} scale, offset value = scale * stored + offset.
 * @returns {Float32Array}
 */
function decode(text, kind, scale = 1, offset = 0) {
  const bytes = bytesOf(text);
  if (kind === "float32") return affine(new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2), scale, offset);
  if (kind === "uint8") return affine(Float32Array.from(bytes), scale, offset);
  const words = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length >> 1);
  if (kind === "uint16") return affine(Float32Array.from(words), scale, offset);
  if (kind !== "float16") throw new Error(`unknown kind of numbers: ${kind}`);
  const table = halfValues();
  const values = new Float32Array(words.length);
  for (let i = 0; i < words.length; i++) values[i] = table[words[i]];
  return affine(values, scale, offset);
}

function affine(values, scale, offset) {
  if (scale !== 1 || offset !== 0) for (let i = 0; i < values.length; i++) values[i] = scale * values[i] + offset;
  return values;
}

if (typeof module !== "undefined") module.exports = { bytesOf, decode };
