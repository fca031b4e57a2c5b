// The anatomy of an environment (see pictures/anatomy.py).
const OUTCOME = { same: ["✓", "still works alike"], differs: ["≠", "answers otherwise"], breaks: ["✗", "breaks"] };

function render({ model, el }) {
  const environment = model.get("environment");
  const parts = model.get("parts");
  let current = Math.max(0, parts.findIndex((part) => part.path === "pyvenv.cfg"));
  let waitingFor = null;

  const tree = make("div", { class: "wh-tree", role: "tree", "aria-label": `Files of ${environment}` });
  const panel = make("div", { class: "wh-panel", role: "region", "aria-label": "The chosen file", "aria-live": "polite" });
  const top = make("div", { class: "wh-top" }, make("code", {}, `${environment}/`));
  const root = make("section", { class: "wh-picture wh-anatomy", "aria-label": `Anatomy of ${environment}` }, make("div", { class: "wh-left" }, top, tree), panel);
  keepKeys(root);
  el.append(root);

  const rows = parts.map((part, index) => {
    const label = part.name + (part.kind === "folder" ? "/" : "");
    const row = make(
      "div",
      { role: "treeitem", "aria-level": part.level, "aria-selected": "false", tabindex: "-1", class: `wh-row wh-${part.kind}`, "data-path": part.path },
      make("code", {}, label),
    );
    if (part.kind === "link") row.append(make("span", { class: "wh-arrow" }, ` → ${part.content}`));
    row.style.paddingLeft = `${0.4 + 1.2 * part.level}em`;
    row.addEventListener("click", () => choose(index, true));
    return row;
  });
  tree.append(...rows);
  tree.addEventListener("keydown", (event) => {
    const steps = { ArrowDown: current + 1, ArrowUp: current - 1, Home: 0, End: rows.length - 1 };
    if (event.key === "ArrowLeft") {
      for (let index = current - 1; index >= 0; index--) {
        if (parts[index].level < parts[current].level) {
          steps.ArrowLeft = index;
          break;
        }
      }
    }
    if (event.key === "ArrowRight" && parts[current + 1]?.level > parts[current].level) steps.ArrowRight = current + 1;
    if (event.key in steps) {
      event.preventDefault();
      choose(Math.min(rows.length - 1, Math.max(0, steps[event.key])), true);
    }
  });

  function choose(index, focus) {
    rows[current].setAttribute("aria-selected", "false");
    rows[current].tabIndex = -1;
    current = index;
    rows[current].setAttribute("aria-selected", "true");
    rows[current].tabIndex = 0;
    if (focus) {
      rows[current].focus();
      rows[current].scrollIntoView({ block: "nearest" });
    }
    draw();
  }

  function table(part, trials) {
    const body = make("tbody");
    for (const trial of trials) {
      const [sign, words] = OUTCOME[trial.outcome];
      const said = make("td", { class: `wh-${trial.outcome}` }, make("strong", {}, `${sign} ${words}`));
      if (trial.outcome !== "same") {
        said.append(make("div", {}, "before: ", make("code", {}, trial.before || "(nothing)")));
        said.append(make("div", {}, "now: ", make("code", {}, trial.after || "(nothing)")));
      }
      body.append(make("tr", {}, make("td", {}, make("code", {}, trial.command)), said));
    }
    const head = make("tr", {}, make("th", { scope: "col" }, "Command"), make("th", { scope: "col" }, `Without ${part.name}`));
    return make("table", {}, make("thead", {}, head), body);
  }

  function draw() {
    const part = parts[current];
    if (!part) return;
    const trials = model.get("trials")[part.path];
    const heading = make("div", { class: "wh-path" }, make("code", {}, `${environment}/${part.path}`));
    const children = [heading];
    if (part.about) children.push(make("p", {}, ...inline(part.about)));
    if (part.kind === "link") children.push(make("p", {}, "A link to ", make("code", {}, part.content), "."));
    if (part.kind === "file") {
      children.push(
        part.content
          ? make("pre", { tabindex: "0", role: "group", "aria-label": `Content of ${part.name}` }, part.content)
          : make("p", {}, "An empty file."),
      );
      if (part.size > part.content.length && part.content.length > 1000) children.push(make("p", { class: "wh-quiet" }, `The rest of its ${part.size} bytes is not shown.`));
    }
    const button = make("button", { type: "button" }, trials ? "Delete it once more" : "Delete it: what breaks?");
    button.disabled = waitingFor !== null;
    button.addEventListener("click", () => {
      waitingFor = part.path;
      draw();
      ask(model, { part: part.path }).then(finish);
    });
    const status = make("span", { class: "wh-quiet", role: "status" }, waitingFor ? " Trying on a copy …" : ` ${problem}`);
    children.push(make("div", { class: "wh-try" }, button, status));
    if (trials) children.push(table(part, trials));
    panel.replaceChildren(...children);
  }

  let problem = "";
  function finish(text = "") {
    const focused = panel.contains(document.activeElement);
    waitingFor = null;
    problem = text;
    draw();
    if (focused || document.activeElement === document.body) panel.querySelector("button")?.focus();
  }
  model.on("change:trials", draw); // another view of this picture may have asked
  if (rows.length) choose(current, false);

  return () => model.off("change:trials", draw);
}

export default { render };
