"use strict";
// The last script: opens the page; `malibu` is its state and values for whoever uses the browser's console.
window.malibu = new VolumePage(JSON.parse(document.getElementById("volumes").textContent));
