// Makes the tables of the page sort and filter. Without it everything is there, in the order that the page has.
(function () {
  "use strict";
  var collator = new Intl.Collator("en", { numeric: true });

  function text(cell) { return cell ? cell.textContent.trim() : ""; }

  // What the cell says in data-v, or its text if that is a number and no more; else NaN.
  function number(cell) {
    if (!cell) { return NaN; }
    var value = cell.getAttribute("data-v") || text(cell).replace(/,(?=\d{3})/g, "");
    return /^[-+]?[\d.]+(e[-+]?\d+)?( %)?$/.test(value) ? parseFloat(value) : NaN;
  }

  function compare(a, b, isNumeric, direction) {
    if (isNumeric) {
      var x = number(a), y = number(b);
      if (isNaN(x) !== isNaN(y)) { return isNaN(x) ? 1 : -1; }
      if (!isNaN(x) && x !== y) { return direction * (x - y); }
      if (!isNaN(x)) { return 0; }
    }
    return direction * collator.compare(text(a), text(b));
  }

  function makeSortable(table) {
    var body = table.tBodies[0];
    var original = Array.from(body.rows);
    var heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach(function (head, column) {
      if (head.getAttribute("data-sort") === "none" || original.length < 2) { return; }
      var isNumeric = head.classList.contains("n");
      var first = isNumeric ? "descending" : "ascending";
      var second = isNumeric ? "ascending" : "descending";
      var button = document.createElement("button");
      button.type = "button";
      while (head.firstChild) { button.appendChild(head.firstChild); }
      head.appendChild(button);
      button.addEventListener("click", function () {
        var was = head.getAttribute("aria-sort");
        var order = !was ? first : was === first ? second : null;
        heads.forEach(function (other) { other.removeAttribute("aria-sort"); });
        var rows = original.slice();
        if (order) {
          head.setAttribute("aria-sort", order);
          rows.sort(function (a, b) {
            return compare(
              a.cells[column], b.cells[column], isNumeric, order === "ascending" ? 1 : -1);
          });
        }
        var all = document.createDocumentFragment();
        rows.forEach(function (row) { all.appendChild(row); });
        body.appendChild(all);
      });
    });
  }

  function field(name, control) {
    var label = document.createElement("label");
    label.append(name, control);
    return label;
  }

  function makeFilterable(table) {
    var rows = Array.from(table.tBodies[0].rows);
    if (rows.length < 25) { return; }
    // Words are looked for in names and the like: 99 should find layer 99, and no error of 0.0099.
    var named = Array.from(table.tHead.rows[0].cells).map(function (head) {
      return !head.classList.contains("n");
    });
    var words = rows.map(function (row) {
      var cells = Array.from(row.cells).filter(function (cell, column) { return named[column]; });
      return cells.map(text).join(" ").toLowerCase();
    });
    var panel = document.createElement("div");
    panel.className = "filter";
    panel.setAttribute("role", "search");
    var input = document.createElement("input");
    input.type = "search";
    panel.append(field("Rows with", input));
    var choices = [];
    Array.from(table.tHead.rows[0].cells).forEach(function (head, column) {
      if (!head.hasAttribute("data-choice")) { return; }
      var values = Array.from(new Set(rows.map(function (row) { return text(row.cells[column]); })));
      if (values.length < 2 || values.length > 60) { return; }
      var select = document.createElement("select");
      select.append(new Option("all", ""));
      values.sort(collator.compare).forEach(function (value) {
        select.append(new Option(value || "none", "=" + value));
      });
      choices.push({ select: select, column: column });
      panel.append(field(head.getAttribute("data-choice"), select));
    });
    var count = document.createElement("output");
    panel.append(count);
    function apply() {
      var wanted = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      var shown = 0;
      rows.forEach(function (row, place) {
        var fits = wanted.every(function (word) { return words[place].includes(word); });
        fits = fits && choices.every(function (choice) {
          var value = choice.select.value;
          return !value || "=" + text(row.cells[choice.column]) === value;
        });
        row.hidden = !fits;
        if (fits) { shown += 1; }
      });
      count.textContent = shown === rows.length ? rows.length + " rows" : shown + " of " + rows.length + " rows";
    }
    panel.addEventListener("input", apply);
    apply();
    var scroll = table.closest(".scroll");
    scroll.parentNode.insertBefore(panel, scroll);
  }

  // A link leads to a row that is folded away, or filtered out: it is shown.
  function reveal() {
    var target = location.hash.length > 1 ? document.getElementById(location.hash.slice(1)) : null;
    if (!target) { return; }
    var fold = target.closest("details");
    if (fold) { fold.open = true; }
    target.hidden = false;
    target.scrollIntoView({ block: "center" });
  }

  document.querySelectorAll("table").forEach(function (table) {
    makeFilterable(table);
    makeSortable(table);
  });
  window.addEventListener("hashchange", reveal);
  reveal();
  var folded = [];
  window.addEventListener("beforeprint", function () {
    folded = Array.from(document.querySelectorAll("details:not([open])"));
    folded.forEach(function (details) { details.open = true; });
  });
  window.addEventListener("afterprint", function () {
    folded.forEach(function (details) { details.open = false; });
  });
})();
