// The import graph of a folder (see pictures/cycle_graph.py).
const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 30;

function draw(tag, attributes = {}, text = "") {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text) element.textContent = text;
  return element;
}

// The head of an arrow at the end of its curve.
function head(path) {
  const [cx, cy, x, y] = path.replace(/[MQ]/g, " ").trim().split(/\s+/).slice(2).map(Number);
  const length = Math.hypot(x - cx, y - cy) || 1;
  const [ux, uy] = [(x - cx) / length, (y - cy) / length];
  const points = [[x + 7 * ux, y + 7 * uy], [x - 4 * uy, y + 4 * ux], [x + 4 * uy, y - 4 * ux]];
  return draw("polygon", { points: points.map((point) => point.map((one) => one.toFixed(1)).join(",")).join(" ") });
}

function render({ model, el }) {
  const place = model.get("place");
  let current = Math.max(0, model.get("arrows").findIndex((arrow) => arrow.circling));
  let waiting = false;
  let problem = "";

  const picture = make("div", { class: "wh-drawing" });
  const list = make("div", { class: "wh-arrows", role: "listbox", "aria-label": `Imports in ${place}`, tabindex: "-1" });
  const legend = make(
    "p",
    { class: "wh-quiet" },
    "Solid: when the file is imported. Dashed: when a function is called. Dotted: never, for type checkers only. Thick with ↻: goes round in a circle.",
  );
  const chosen = make("div", { role: "region", "aria-label": "The chosen import" });
  const status = make("p", { class: "wh-quiet", role: "status" });
  const tried = make("div", { role: "region", "aria-label": "What was tried" });
  const left = make("div", { class: "wh-left" }, picture, legend, list);
  const right = make("div", { class: "wh-panel" }, chosen, status, tried);
  const root = make("section", { class: "wh-picture wh-cycles", "aria-label": `Import graph of ${place}` }, left, right);
  keepKeys(root);
  el.append(root);

  list.addEventListener("keydown", (event) => {
    const last = model.get("arrows").length - 1;
    const steps = { ArrowDown: current + 1, ArrowUp: current - 1, Home: 0, End: last };
    if (event.key in steps) {
      event.preventDefault();
      choose(Math.min(last, Math.max(0, steps[event.key])), true);
    }
  });

  function choose(index, focus) {
    current = index;
    problem = "";
    drawAll();
    if (focus) {
      list.children[current]?.focus();
      list.children[current]?.scrollIntoView({ block: "nearest" });
    }
  }

  function circles() {
    const rings = model.get("rings").map((ring) => [...ring, ring[0]].join(" → "));
    return rings.length ? `circles: ${rings.join("; ")}` : "no circle";
  }

  function drawGraph() {
    const { width, height, boxes, arrows: curves } = model.get("drawing");
    const arrows = model.get("arrows");
    const label = `${boxes.length} modules, ${arrows.length} imports; ${circles()}. The same as a list below.`;
    const svg = draw("svg", { role: "img", "aria-label": label, viewBox: `0 0 ${width} ${height}` });
    svg.style.maxWidth = `${width}px`;
    curves.forEach((curve, index) => {
      const arrow = arrows[index];
      const classes = ["wh-arrow", `wh-${arrow.when}`];
      if (arrow.circling) classes.push("wh-circling");
      if (index === current) classes.push("wh-current");
      const group = draw("g", { class: classes.join(" ") });
      group.append(draw("path", { class: "wh-reach", d: curve.path }), draw("path", { class: "wh-line", d: curve.path }), head(curve.path));
      if (arrow.circling) group.append(draw("text", { x: curve.x, y: curve.y }, "↻"));
      group.append(draw("title", {}, says(arrow)));
      group.addEventListener("click", () => choose(index, true));
      svg.append(group);
    });
    const fates = Object.fromEntries(model.get("fates").map((fate) => [fate.first, fate]));
    for (const box of boxes) {
      const fate = fates[box.name];
      const group = draw("g", { class: `wh-box ${fate?.works === false ? "wh-broken" : ""}` });
      group.append(draw("rect", { x: box.x - box.width / 2, y: box.y - HEIGHT / 2, width: box.width, height: HEIGHT, rx: 5 }));
      group.append(draw("text", { x: box.x, y: box.y }, box.name));
      if (fate) group.append(draw("text", { class: "wh-fate", x: box.x + box.width / 2 - 3, y: box.y - HEIGHT / 2 }, fate.works ? "✓" : "✗"));
      svg.append(group);
    }
    picture.replaceChildren(svg);
  }

  function says(arrow) {
    const moved = arrow.moved ? `, moved ${model.get("ways")[arrow.moved].replaceAll("`", "")}` : "";
    return `${arrow.importer} imports ${arrow.imported}, line ${arrow.line}: ${arrow.says}${arrow.circling ? ", part of a circle" : ""}${moved}`;
  }

  function drawList() {
    const rows = model.get("arrows").map((arrow, index) => {
      const row = make(
        "div",
        { role: "option", class: "wh-row", "aria-selected": String(index === current), tabindex: index === current ? "0" : "-1", "aria-label": says(arrow) },
        make("span", { class: "wh-sign" }, arrow.circling ? "↻" : ""),
        make("code", {}, `${arrow.importer} → ${arrow.imported}`),
        make("span", { class: "wh-quiet" }, ` ${arrow.says}`),
      );
      row.addEventListener("click", () => choose(index, true));
      return row;
    });
    const focused = list.contains(document.activeElement);
    list.replaceChildren(...rows);
    if (focused) rows[current]?.focus();
  }

  function button(text, question) {
    const one = make("button", { type: "button" }, ...inline(text));
    one.disabled = waiting;
    one.addEventListener("click", () => {
      waiting = true;
      problem = "";
      drawAll();
      ask(model, question).then((answer) => {
        waiting = false;
        problem = answer;
        drawAll();
        if (!root.contains(document.activeElement)) chosen.querySelector("button")?.focus();
      });
    });
    return one;
  }

  function drawChosen() {
    const arrow = model.get("arrows")[current];
    if (!arrow) {
      chosen.replaceChildren(make("p", {}, "No file here imports another one."));
      return;
    }
    const parts = [
      make("p", { class: "wh-path" }, make("code", {}, arrow.statement)),
      make("p", {}, "Line ", String(arrow.line), " of ", make("code", {}, arrow.path), ", executed ", make("strong", {}, arrow.says), arrow.circling ? "; part of a circle." : "."),
    ];
    const moves = model.get("moves");
    const buttons = make("div", { class: "wh-buttons" });
    if (arrow.moved) parts.push(make("p", {}, ...inline(`In the copy it was moved ${model.get("ways")[arrow.moved]}.`)));
    if (arrow.movable) {
      for (const [how, words] of Object.entries(model.get("ways"))) {
        if (how !== arrow.moved) buttons.append(button(`Move it ${words}`, { arrow: current, how }));
      }
    } else {
      parts.push(make("p", { class: "wh-quiet" }, "It stands inside something else already, and stays there."));
    }
    if (Object.keys(moves).length) buttons.append(button("Put everything back", { back: true }));
    chosen.replaceChildren(...parts, buttons);
  }

  function drawTried() {
    const body = make("tbody");
    for (const fate of model.get("fates")) {
      const what = make("td", { class: fate.works ? "wh-same" : "wh-breaks" }, make("strong", {}, `${fate.works ? "✓" : "✗"} `), fate.what);
      if (fate.where) what.append(make("div", { class: "wh-quiet" }, `at ${fate.where}`));
      body.append(make("tr", {}, make("td", {}, make("code", {}, fate.first)), what, make("td", {}, make("span", { class: "wh-quiet" }, fate.loads.join(", ")))));
    }
    const heads = ["First", "What happens", "Loads"].map((text) => make("th", { scope: "col" }, text));
    const count = Object.keys(model.get("moves")).length;
    const caption = `Each first, in a fresh Python ${model.get("python")}, ${count ? `with ${count} import${count > 1 ? "s" : ""} moved` : "as the files are"}; ${circles()}`;
    const notes = model.get("unread").map((text) => make("p", { class: "wh-quiet" }, ...inline(text)));
    tried.replaceChildren(make("table", {}, make("caption", {}, caption), make("thead", {}, make("tr", {}, ...heads)), body), ...notes);
  }

  function drawAll() {
    drawGraph();
    drawList();
    drawChosen();
    drawTried();
    status.textContent = waiting ? "Trying on a copy …" : problem;
  }

  const changes = ["change:fates", "change:arrows"]; // another view of this picture may have asked
  for (const change of changes) model.on(change, drawAll);
  drawAll();
  return () => changes.forEach((change) => model.off(change, drawAll));
}

export default { render };
