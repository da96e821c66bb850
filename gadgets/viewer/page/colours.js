"use strict";
// Colour maps as tables of 256 colours, interpolated between 33 anchors (within 5 of 255 of the originals).
// lipari (T1) and navia (T2) are those that the relaxometry community recommends (Fuderer et al., MRM 2025) and, with
// vik and berlin (differences), F. Crameri's, MIT licence; viridis and inferno are matplotlib's, CC0.

const ANCHORS = {
  grey: "000000ffffff",
  inverse: "ffffff000000",
  lipari: "031326061d350928440e3353183e6125486d36517645587a525b7a5c5d79655e776e5f75785f728260708d616d98616aa56267b26364bf6561cd685fda6f5ee37861e98466ea906de99b74e7a57be5af84e5b98ee7c49aebd0a9f1ddb9f7e9cbfdf5da",
  navia: "031327051c36052546062f560739660a43740e4d8114578a1b608f206891266f902a748e2f798b337d893781863c8683418a80478f7d4c9579539b755aa17163a96d6db16979ba6889c36a9ccd72b1d67fc3dd90d3e3a1e0e8b2ebedc1f5f1cffcf4d9",
  vik: "001261021f69022b710237790344810551890c5e921c6d9c307da6488db2619ebd7aaec894bed2adcdddc6dbe6dee6e9ece5e0eed9cde9cab8e2baa2dbaa8dd59b79cf8c66c97e53c27041bc622fb2511da33e0d912d06811f06731406650907590008",
  berlin: "9eb0ff8caef679abed65a7e2519fd34194c13685ad2e76992868862259731d4b61183d4f14303e11242e111a20121214190c09220c022b0e013510004112014d16025b1d086c27117d341e8e422e9e513fae6051be6f63ce7f76df8f89f09f9cffadad",
  viridis: "440154470d6048186a482374472d7b4537814240863e49893b528b375b8d33638d2f6b8e2c728e297a8e26828e23898e21918c1f988b1fa08822a78528ae8032b67a3fbc734ec36b5ec96270cf5784d44b98d83eaddc30c2df23d8e219ece51bfde725",
  inferno: "0000040403120b0724150b37210c4a2f0a5b3d09654a0c6b57106e64156e71196e7d1e6d8a226a972766a32c61b0315bbc3754c73e4cd24644db503be45a31eb6628f1731df68013f98e09fb9d07fcac11fbbc21f9cb35f5db4cf2ea69f3f68afcffa4",
};

/** Names of the maps, in the order in which they are offered. */
const COLOUR_MAPS = Object.keys(ANCHORS);

/**
 * Colours of a map: 256 words as ImageData holds them (red in the lowest byte, opaque).
 * @param {string} name one of COLOUR_MAPS.
 * @returns {Uint32Array}
 */
function colourTable(name) {
  const text = ANCHORS[name] || ANCHORS.grey;
  const last = text.length / 6 - 1;
  const channel = (anchor, c) => parseInt(text.substr(6 * anchor + 2 * c, 2), 16);
  const table = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    const place = (i / 255) * last;
    const left = Math.min(Math.floor(place), last - 1);
    const [red, green, blue] = [0, 1, 2].map((c) =>
      Math.round(channel(left, c) + (place - left) * (channel(left + 1, c) - channel(left, c))));
    table[i] = ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  }
  return table;
}

/** Colours of labels as gadgets/image_tasks/segmentation/series.py has them: the background is black, label n has colour n - 1. */
const LABEL_COLOURS = "e69f0056b4e9009e73f0e4420072b2d55e00cc79a7332288ee6677aa3377".match(/.{6}/g);

/**
 * Colours of labels from 0 to a highest one, for a window between both.
 * @param {number} highest
 * @returns {Uint32Array} 256 words, as colourTable() gives them.
 */
function labelTable(highest) {
  const table = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    const label = Math.round((i / 255) * highest);
    const text = label ? LABEL_COLOURS[(label - 1) % LABEL_COLOURS.length] : "000000";
    const [red, green, blue] = [0, 2, 4].map((at) => parseInt(text.substr(at, 2), 16));
    table[i] = ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  }
  return table;
}

/**
 * Colour an image: values from low to high over the table's 256 colours; what is not a number takes the first one.
 * @param {Float32Array} values
 * @param {number} low, high the window's ends.
 * @param {Uint32Array} table
 * @param {Uint32Array} out one word per pixel.
 */
function colourise(values, low, high, table, out) {
  const scale = 255 / Math.max(high - low, 1e-30);
  for (let i = 0; i < values.length; i++) {
    const level = (values[i] - low) * scale + 0.5;
    out[i] = table[level >= 255 ? 255 : level > 0 ? level | 0 : 0];
  }
}

/** CSS gradient of a map, from left to right: for colour bars. */
function colourGradient(name) {
  const text = ANCHORS[name] || ANCHORS.grey;
  return `linear-gradient(to right,${text.match(/.{6}/g).map((colour) => "#" + colour).join(",")})`;
}

if (typeof module !== "undefined") module.exports = { COLOUR_MAPS, colourTable, labelTable, colourise, colourGradient };
