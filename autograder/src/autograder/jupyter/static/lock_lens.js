// The lock lens (see pictures/lock_lens.py).
const SIGNS = { yes: ["✓", "yes"], no: ["✗", "no"], remark: ["~", "only as a remark"] };

function render({ model, el }) {
  let form = 3; // which file is shown
  let row = "hashes"; // which mark or trial is chosen

  const table = make("table", { class: "wh-matrix", role: "grid", "aria-label": "What each of them tells, and what comes of it" });
  const says = make("div", { class: "wh-says", role: "status" });
  const title = make("p", { class: "wh-title" });
  const file = make("ol", { class: "wh-file", tabindex: "0", role: "list" });
  const again = make("button", { type: "button" }, "Make them all anew");
  const status = make("p", { class: "wh-status", role: "status" });
  el.append(
    make(
      "section",
      { class: "wh-picture wh-lens", "aria-label": "Lock lens" },
      make("p", {}, "One list of wishes, and what became of it on Monday, when ", make("code", {}, "netcore"), " 1.1 was the newest. Choose a cell, by mouse or by arrow keys and Enter."),
      make("div", { class: "wh-scroll" }, table),
      make("p", { class: "wh-quiet" }, "Above: ✓ it tells, ✗ it does not, ~ only in a remark. In the last two rows: ✓ as it should be, ✗ not so."),
      says,
      make("section", { "aria-label": "The file itself" }, title, file),
      make("div", { class: "wh-foot" }, again, status),
    ),
  );
  keepKeys(el);

  function cell(one, index, name) {
    const trial = model.get("trials")[name];
    const found = trial ? one[name] : one.marks[name];
    const [sign, words] = trial ? [found.good ? "✓" : "✗", found.short] : SIGNS[found.has];
    const kind = trial ? (found.good ? "yes" : "no") : found.has;
    const question = trial || model.get("marks")[name];
    const button = make(
      "button",
      { type: "button", class: `wh-cell wh-${kind}`, "data-form": String(index), "data-row": name, "aria-label": `${one.title}. ${question} ${words}.` },
      make("span", { class: "wh-sign", "aria-hidden": "true" }, sign),
      ...(trial ? [" ", make("span", { "aria-hidden": "true" }, words)] : []),
    );
    button.addEventListener("click", () => choose(index, name));
    return make("td", {}, button);
  }

  function draw() {
    const forms = model.get("forms");
    const rows = [...Object.entries(model.get("marks")), ...Object.entries(model.get("trials"))];
    table.replaceChildren(
      make("thead", {}, make("tr", {}, make("td", {}), ...forms.map((one) => make("th", { scope: "col" }, one.title)))),
      make("tbody", {}, ...rows.map(([name, words]) => make("tr", { class: model.get("trials")[name] ? "wh-trial" : "" }, make("th", { scope: "row" }, words), ...forms.map((one, index) => cell(one, index, name))))),
    );
    choose(form, row);
  }

  function choose(index, name) {
    form = index;
    row = name;
    const one = model.get("forms")[form];
    const trial = model.get("trials")[name];
    const found = trial ? one[name] : one.marks[name];
    for (const button of table.querySelectorAll("button")) {
      const chosen = button.dataset.form === String(form) && button.dataset.row === name;
      button.setAttribute("aria-pressed", String(chosen));
      button.tabIndex = chosen ? 0 : -1; // one stop for Tab; arrows lead on
    }
    says.replaceChildren(
      make("p", {}, make("strong", {}, `${one.title}: ${trial || model.get("marks")[name]} `), ...inline(found.says)),
      ...(trial
        ? [make("pre", { tabindex: "0", role: "group", "aria-label": "What was typed, and what was said" }, [`$ ${found.command}`, ...found.said, `exit status ${found.status}`].join("\n"))]
        : []),
    );
    title.replaceChildren(make("code", {}, one.file), one.command === "hand" ? ", written by hand" : ", made by ", ...(one.command === "hand" ? [] : [make("code", {}, one.command)]));
    file.setAttribute("aria-label", `${one.title}, ${one.lines.length} lines`);
    const line = trial ? -1 : found.line;
    file.replaceChildren(
      ...one.lines.map((text, number) => {
        const told = number === line;
        return make("li", told ? { class: "wh-told" } : {}, make("code", {}, text || " "), ...(told ? [make("span", { class: "wh-arrow" }, " ← this line")] : []));
      }),
    );
    // scrolls the file only, never the notebook
    const told = file.querySelector(".wh-told");
    file.scrollTop = told ? Math.max(0, told.offsetTop - file.offsetTop - 60) : 0;
  }

  // arrows move in the table, as in a grid
  table.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const from = event.target.closest("button");
    if (!step || !from) return;
    event.preventDefault();
    const names = [...Object.keys(model.get("marks")), ...Object.keys(model.get("trials"))];
    const next = names[names.indexOf(from.dataset.row) + step[1]];
    table.querySelector(`button[data-form="${Number(from.dataset.form) + step[0]}"][data-row="${next}"]`)?.focus();
  });

  let waiting = false; // not disabled: it would lose the focus
  again.addEventListener("click", () => {
    if (waiting) return;
    waiting = true;
    status.replaceChildren("pip, pip-tools and uv are at work in the sandbox …");
    ask(model, { again: true }).then((problem) => {
      waiting = false;
      status.replaceChildren(...(problem ? inline(problem) : ["Done: all of it was made anew."]));
    });
  });

  model.on("change:forms", draw);
  draw();
  return () => model.off("change:forms", draw);
}

export default { render };
