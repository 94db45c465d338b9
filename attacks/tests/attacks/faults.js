// What a critic would find wrong with the page as it stands: a list of sentences, empty when there is nothing.
(() => {
  const faults = [];
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) {
    const widest = [...document.querySelectorAll("main *")].filter((one) => one.getBoundingClientRect().right > root.clientWidth + 1 && !one.closest(".scroll, pre, .side"));
    faults.push(`wider than the screen: ${root.scrollWidth} of ${root.clientWidth}, by ${widest.slice(0, 3).map((one) => `${one.tagName}.${one.className}`).join(" ")}`);
  }
  const rgba = (text) => {
    const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number);
    return { r, g, b, a };
  };
  const over = (top, under) => ({ r: top.r * top.a + under.r * (1 - top.a), g: top.g * top.a + under.g * (1 - top.a), b: top.b * top.a + under.b * (1 - top.a), a: 1 });
  const luminance = ({ r, g, b }) => {
    const [x, y, z] = [r, g, b].map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (element) => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) layers.push(rgba(getComputedStyle(one).backgroundColor));
    const canvas = matchMedia("(prefers-color-scheme: dark)").matches ? { r: 18, g: 18, b: 18, a: 1 } : { r: 255, g: 255, b: 255, a: 1 };
    return layers.reduceRight((under, layer) => over(layer, under), canvas);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    const element = walker.currentNode.parentElement;
    if (!text || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || element.closest("option, .skip, .unseen, :disabled, pre")) continue;
    const style = getComputedStyle(element);
    const paper = behind(element);
    const [light, dark] = [luminance(over(rgba(style.color), paper)), luminance(paper)].sort((a, b) => b - a);
    const contrast = (light + 0.05) / (dark + 0.05);
    const large = parseFloat(style.fontSize) >= 24;
    const wanted = element.closest(".value") ? 7 : large ? 3 : 4.5;
    if (contrast < wanted) faults.push(`contrast ${contrast.toFixed(2)}, not ${wanted}: "${text.slice(0, 40)}"`);
    // The names of our own actions look like keys, and are meant to be read.
    if (/\b(step_up|refusal|me|admin|sign_in|col|outcome|receipt|enrol|story|good_for|method|binding|error|tier|event)\.[a-z_]+(\.[a-z_]+)*\b/.test(text.replace(/\b(me|admin)\.read\b/g, "")) && !element.closest(".mono, select")) faults.push(`a text's key: "${text.slice(0, 60)}"`);
    if (/\bundefined\b|\[object|\{\w+\}|\bNaN\b/.test(text)) faults.push(`not a text: "${text.slice(0, 60)}"`);
    if (style.textOverflow === "ellipsis" && element.scrollWidth > element.clientWidth) faults.push(`cut off: "${text.slice(0, 60)}"`);
  }
  for (const control of document.querySelectorAll("button, input:not([type=hidden], [type=radio]), select, .button")) {
    if (!control.checkVisibility()) continue;
    const { height } = control.getBoundingClientRect();
    const small = control.matches(".small-button, .plain, #lang, select") ? 24 : 40;
    if (height < small) faults.push(`too small to hit: ${control.tagName} "${control.textContent.slice(0, 30)}" is ${height} high`);
    const name = control.getAttribute("aria-label") ?? control.labels?.[0]?.textContent ?? control.textContent;
    if (!name.trim()) faults.push(`a control without a name: ${control.outerHTML.slice(0, 80)}`);
  }
  if (document.querySelectorAll("h1").length !== 1) faults.push(`${document.querySelectorAll("h1").length} first headings`);
  if (!root.lang) faults.push("no language");
  return [...new Set(faults)];
})()
