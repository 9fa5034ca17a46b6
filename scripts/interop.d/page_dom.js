// As much of a browser's document as the script of our pages touches: built from a page, and driven by pages.py.
"use strict";

class Text {
  constructor(data) { this.data = data; this.parentNode = null; }
  get textContent() { return this.data; }
}

class Element {
  constructor(tag, attributes = {}) {
    this.tag = tag;
    this.attributes = new Map(Object.entries(attributes));
    this.childNodes = [];
    this.parentNode = null;
    this.hidden = false;
    this.value = "";
    this.listeners = {};
  }

  getAttribute(name) { return this.attributes.has(name) ? this.attributes.get(name) : null; }
  setAttribute(name, value) { this.attributes.set(name, String(value)); }
  removeAttribute(name) { this.attributes.delete(name); }
  hasAttribute(name) { return this.attributes.has(name); }
  set className(name) { this.setAttribute("class", name); }
  get classList() {
    const names = (this.getAttribute("class") || "").split(" ");
    return { contains: (name) => names.includes(name) };
  }
  get open() { return this.hasAttribute("open"); }
  set open(isOpen) { if (isOpen) { this.setAttribute("open", ""); } else { this.removeAttribute("open"); } }

  get textContent() { return this.childNodes.map((node) => node.textContent).join(""); }
  set textContent(text) { this.childNodes = []; this.append(text); }
  get firstChild() { return this.childNodes[0] || null; }
  appendChild(node) { return this.insertBefore(node, null); }
  append(...nodes) { nodes.forEach((node) => this.appendChild(typeof node === "string" ? new Text(node) : node)); }
  insertBefore(node, next) {
    const nodes = node.tag === "#fragment" ? node.childNodes.slice() : [node];
    for (const each of nodes) {
      if (each.parentNode) { each.parentNode.childNodes.splice(each.parentNode.childNodes.indexOf(each), 1); }
      each.parentNode = this;
      const place = next ? this.childNodes.indexOf(next) : this.childNodes.length;
      this.childNodes.splice(place, 0, each);
    }
    return node;
  }

  get children() { return this.childNodes.filter((node) => node instanceof Element); }
  get all() { return this.children.flatMap((child) => [child, ...child.all]); }
  get tBodies() { return this.children.filter((child) => child.tag === "tbody"); }
  get tHead() { return this.children.find((child) => child.tag === "thead"); }
  get rows() { return this.children.filter((child) => child.tag === "tr"); }
  get cells() { return this.children.filter((child) => child.tag === "td" || child.tag === "th"); }
  closest(selector) {
    for (let node = this; node; node = node.parentNode) {
      if (selector.startsWith(".") ? node.classList.contains(selector.slice(1)) : node.tag === selector) { return node; }
    }
    return null;
  }

  addEventListener(kind, listener) { (this.listeners[kind] = this.listeners[kind] || []).push(listener); }
  dispatch(kind) {
    for (let node = this; node; node = node.parentNode) { (node.listeners[kind] || []).forEach((listener) => listener({ target: this })); }
  }
  scrollIntoView() { document.shown = this; }
}

function Option(text, value) {
  const option = new Element("option");
  option.append(text);
  option.value = value;
  return option;
}

const window = new Element("window");
const location = { hash: "" };
const document = {
  root: null,
  shown: null,
  createElement: (tag) => new Element(tag),
  createDocumentFragment: () => new Element("#fragment"),
  getElementById: (id) => document.root.all.find((element) => element.getAttribute("id") === id) || null,
  querySelectorAll(selector) {
    if (selector === "details:not([open])") { return document.root.all.filter((element) => element.tag === "details" && !element.open); }
    if (!/^[a-z]+$/.test(selector)) { throw new Error("the document here doesn't know the selector " + selector); }
    return document.root.all.filter((element) => element.tag === selector);
  },
};

// A page as [tag, attributes, children], texts as they are.
function build([tag, attributes, children]) {
  const element = new Element(tag, attributes);
  children.forEach((child) => element.appendChild(typeof child === "string" ? new Text(child) : build(child)));
  return element;
}

// What a reader does and sees, on the table of a section.
function tableOf(section) { return document.getElementById(section).all.find((element) => element.tag === "table"); }
function column(section, name) { return tableOf(section).tHead.rows[0].cells.findIndex((cell) => cell.textContent.trim() === name); }
function press(section, name) { tableOf(section).tHead.rows[0].cells[column(section, name)].firstChild.dispatch("click"); }
function shown(section) { return tableOf(section).tBodies[0].rows.filter((row) => !row.hidden); }
function cells(section, name) {
  const place = column(section, name);
  return shown(section).map((row) => row.cells[place].getAttribute("data-v") || row.cells[place].textContent.trim());
}
function direction(section, name) { return tableOf(section).tHead.rows[0].cells[column(section, name)].getAttribute("aria-sort"); }
function filter(section) { return document.getElementById(section).all.find((element) => element.classList.contains("filter")); }
function enter(section, tag, value) {
  const control = filter(section).all.find((element) => element.tag === tag);
  control.value = value;
  control.dispatch("input");
  return filter(section).all.find((element) => element.tag === "output").textContent;
}
