// The resolver board (see pictures/resolver_board.py).
const SIGNS = { yes: ["✓", "fits"], no: ["✗", "rejected"], back: ["↩", "back"], bad: ["⚠", "trouble"] };

function render({ model, el }) {
  const serial = Math.random().toString(36).slice(2);
  let at = 0;

  const text = make("input", { type: "text", id: `wishes-${serial}`, maxlength: "120", spellcheck: "false", autocomplete: "off", list: `examples-${serial}` });
  const list = make("datalist", { id: `examples-${serial}` }, ...model.get("examples").map((one) => make("option", { value: one })));
  const pick = make("select", { "aria-label": "Examples" }, make("option", { value: "" }, "Examples …"), ...model.get("examples").map((one) => make("option", { value: one }, one)));
  const radios = [
    [false, "one command"],
    [true, "one command each"],
  ].map(([value, words]) => {
    const radio = make("input", { type: "radio", name: `two-${serial}`, value: String(value) });
    return { value, radio, label: make("label", {}, radio, " ", words) };
  });
  const run = make("button", { type: "submit" }, "Resolve");
  const form = make(
    "form",
    { class: "wh-form", "aria-label": "What to install" },
    make("div", { class: "wh-field" }, make("label", { for: text.id }, make("code", {}, "pip install"), " …"), text, list),
    pick,
    make("fieldset", {}, make("legend", {}, "Asked for in"), ...radios.map((one) => one.label)),
    run,
  );
  const status = make("p", { class: "wh-status", role: "status" });
  const commands = make("div", { class: "wh-commands" });
  const first = make("button", { type: "button" }, "From the start");
  const back = make("button", { type: "button" }, "Back");
  const next = make("button", { type: "button" }, "Next step");
  const last = make("button", { type: "button" }, "To the end");
  const count = make("span", { class: "wh-quiet" });
  const says = make("p", { class: "wh-says", "aria-live": "polite" });
  const board = make("div", { class: "wh-columns", role: "group", "aria-label": "Board: distributions and their releases" });
  const all = make("ol", { class: "wh-steps" });
  const outcome = make("p", {});
  const pip = make("div", { class: "wh-pip" });
  const tools = make("p", { class: "wh-quiet" });
  el.append(
    make(
      "section",
      { class: "wh-picture wh-board", "aria-label": "Resolver board" },
      form,
      status,
      commands,
      make("div", { class: "wh-controls" }, first, back, next, last, count),
      says,
      board,
      make("p", { class: "wh-quiet" }, "✓ chosen   ■ installed   ✗ crossed out   ↩ tried, and given up   ⚠ damaged"),
      make("div", { class: "wh-two" }, make("section", { "aria-label": "The model" }, make("h4", {}, "The search (a model)"), outcome, tools), make("section", { "aria-label": "The real pip" }, make("h4", {}, "What the real pip did"), pip)),
      make("details", {}, make("summary", {}, "All steps, as a list"), all),
    ),
  );
  keepKeys(el);

  // What a cell is in a step: its class, its sign, and words for those who can't see either.
  function state(step, name, version) {
    const chosen = step.pins[name] === version;
    const there = step.installed[name] === version;
    const reason = (step.crossed[name] || {})[version] || "";
    if (step.kind === "damage") return !there ? ["free", "", "not installed"] : step.bad.includes(name) ? ["damaged", "⚠", "installed, and damaged"] : ["chosen", "■", "installed"];
    if (step.tried && step.tried[0] === name && step.tried[1] === version) return ["tried", "?", "looked at now"];
    if (chosen) return ["chosen", "✓", there ? "installed, and kept" : "chosen"];
    if (reason) return ["crossed", reason.includes("given up") ? "↩" : "✗", (there ? "installed; " : "") + `crossed out: ${reason}`, there];
    if (there) return ["there", "■", "installed by a command before"];
    return ["free", "", "possible"];
  }

  function drawStep() {
    const shown = model.get("board");
    const step = shown.steps[at];
    const [sign, words] = SIGNS[step.mark] || ["·", "step"];
    says.className = `wh-says wh-${step.mark || "plain"}`;
    says.replaceChildren(make("span", { class: "wh-sign", role: "img", "aria-label": words }, sign), " ", ...inline(step.says));
    count.textContent = `step ${at + 1} of ${shown.steps.length}`;
    first.disabled = back.disabled = at === 0;
    next.disabled = last.disabled = at === shown.steps.length - 1;
    board.replaceChildren(
      ...shown.columns.map((column) => {
        const wants = (step.wants[column.name] || []).map(([wish, who]) => make("li", {}, make("code", {}, wish), make("span", { class: "wh-quiet" }, ` ${who}`)));
        const cells = column.releases.map((version) => {
          const [kind, mark, words, installed] = state(step, column.name, version);
          return make(
            "li",
            { class: `wh-cell wh-${kind}`, title: words },
            make("span", { "aria-hidden": "true", class: "wh-sign" }, installed ? "■✗" : mark),
            make(kind === "crossed" ? "del" : "span", {}, version),
            make("span", { class: "wh-hidden" }, `: ${words}`),
          );
        });
        return make(
          "div",
          { class: "wh-column", role: "group", "aria-label": column.name, "data-column": column.name },
          make("strong", {}, column.name),
          make("ul", { class: "wh-wants", "aria-label": `Who wants what of ${column.name}` }, ...(wants.length ? wants : [make("li", { class: "wh-quiet" }, "nobody limits it")])),
          make("ul", { class: "wh-cells", "aria-label": `Releases of ${column.name}, newest first` }, ...cells),
        );
      }),
    );
  }

  function draw() {
    const shown = model.get("board");
    text.value = shown.text;
    for (const { value, radio } of radios) radio.checked = value === shown.two;
    commands.replaceChildren(...shown.commands.map((one) => make("div", {}, "$ ", make("code", {}, one))));
    all.replaceChildren(...shown.steps.map((step) => make("li", {}, `${(SIGNS[step.mark] || [""])[0]} `, ...inline(step.says))));
    outcome.replaceChildren(...inline(shown.outcome));
    tools.textContent = `By ${shown.tools}, over the metadata of the course's index; which name is looked at first is simpler here than in pip.`;
    pip.replaceChildren(
      make("p", {}, ...inline(shown.pip.says)),
      ...(shown.pip.lines.length ? [make("pre", { tabindex: "0", role: "group", "aria-label": "What pip said" }, shown.pip.lines.join("\n"))] : []),
      make("p", { class: shown.same ? "wh-good" : "wh-differs" }, shown.same ? "✓ The model and pip agree." : "≠ The model and pip differ: believe pip."),
    );
    at = 0;
    drawStep();
  }

  const go = (number) => {
    at = Math.min(model.get("board").steps.length - 1, Math.max(0, number));
    drawStep();
  };
  first.addEventListener("click", () => go(0));
  back.addEventListener("click", () => go(at - 1));
  next.addEventListener("click", () => go(at + 1));
  last.addEventListener("click", () => go(Infinity));

  function resolve() {
    if (run.disabled) return;
    run.disabled = true;
    status.replaceChildren("The model searches, and the real pip does the same in the sandbox …");
    ask(model, { text: text.value, two: radios[1].radio.checked }).then((problem) => {
      run.disabled = false;
      status.replaceChildren(...inline(problem));
      if (!problem) next.focus();
    });
  }
  form.addEventListener("submit", (event) => (event.preventDefault(), resolve()));
  pick.addEventListener("change", () => {
    if (pick.value) text.value = pick.value;
    pick.value = "";
    text.focus();
  });
  for (const { radio } of radios) radio.addEventListener("change", resolve);
  model.on("change:board", draw);
  draw();
  return () => model.off("change:board", draw);
}

export default { render };
