// Makes elements. Whatever a caller or a model said gets onto a page by here only, and only as text.

const SVG = "http://www.w3.org/2000/svg";

// el("p", {class: "hint", onclick: f, hidden: true}, "text", el("b", {}, "more"), null)
// Attributes are set as they are; false, null and undefined leave one out; names that begin with "on" are listeners.
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

// The same within an <svg>.
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) {
      if (typeof value !== "function") throw new TypeError(`${name} must be a function`);
      element.addEventListener(name.slice(2), value);
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  append(element, children);
  return element;
}

// Adds elements and texts; arrays are taken apart, null, undefined and false are left out.
export function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

// Puts children in the place of all that was there.
export function replace(element, ...children) {
  element.replaceChildren();
  append(element, children);
}

// Sets a text only where it differs, so that nothing is laid out anew for nothing.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export const byId = (id) => document.getElementById(id);

// Says something in the corner, for some seconds, also to a screen reader.
export function notice(text, kind = "") {
  const said = el("p", { class: `notice ${kind}` }, text);
  byId("notices").append(said);
  setTimeout(() => said.remove(), 6000);
}
