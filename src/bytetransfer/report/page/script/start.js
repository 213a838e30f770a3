addControls();
addButtons();
const { live } = document.documentElement.dataset;
if (live) follow(live);
window.bytetransfer = { csv, latex, svgText, matrixSvg }; // what a test may ask for
