// A release on an index of its own (see pictures/release_simulator.py).
const STATE = { offered: "✓ offered", yanked: "⚠ yanked", deleted: "✗ deleted" };

function render({ model, el }) {
  const project = model.get("project");
  const actions = model.get("actions");
  let version = model.get("versions")[0];
  let busy = false;
  let problem = model.get("problem");

  const group = make("fieldset", { class: "wh-versions" }, make("legend", {}, `Version of ${project}: `));
  const name = `wh-release-${Math.random().toString(36).slice(2)}`;
  for (const one of model.get("versions")) {
    const radio = make("input", { type: "radio", name, value: one });
    radio.checked = one === version;
    radio.addEventListener("change", () => {
      version = one;
      draw();
    });
    group.append(make("label", {}, radio, ` ${one}`));
  }

  const buttons = {};
  const row = make("div", { class: "wh-buttons", role: "group", "aria-label": "What to do with this version" });
  for (const [action, label] of Object.entries(actions)) {
    buttons[action] = make("button", { type: "button", "data-do": action }, label);
    buttons[action].addEventListener("click", () => act(action));
    row.append(buttons[action]);
  }
  const answer = make("div", { class: "wh-answer", role: "status", "aria-live": "polite" });
  const files = make("div", {});
  const choices = make("div", {});
  const story = make("ol", { tabindex: "0", "aria-label": "What was clicked so far" });
  const journal = make("ol", { tabindex: "0", "aria-label": "The index's journal" });
  const root = make(
    "section",
    { class: "wh-picture wh-release", "aria-label": "Release simulator" },
    group,
    row,
    answer,
    make("div", { class: "wh-columns" }, files, choices),
    make(
      "details",
      {},
      make("summary", {}, "Everything so far"),
      make("div", { class: "wh-columns" }, make("div", {}, make("h4", {}, "You clicked"), story), make("div", {}, make("h4", {}, "The index wrote into its journal"), journal)),
    ),
  );
  el.append(root);
  keepKeys(root);

  // Nothing is disabled by itself: what the index refuses is the lesson. Only "again" and "changed" need a first time.
  function possible(action) {
    const sent = version in model.get("sent");
    if (action === "upload") return !sent;
    if (action === "same" || action === "changed") return sent;
    return model.get("files").length > 0;
  }

  function act(action) {
    if (busy || !possible(action)) return;
    busy = true;
    problem = "";
    draw();
    ask(model, { do: action, version }).then((text) => {
      busy = false;
      problem = text;
      draw();
      const next = possible(action) ? action : action === "upload" ? "same" : "upload";
      if (document.activeElement === document.body || root.contains(document.activeElement)) buttons[next].focus();
    });
  }

  function table(caption, heads, rows, empty) {
    const body = make("tbody", {}, ...rows);
    const head = make("tr", {}, ...heads.map((text) => make("th", { scope: "col" }, text)));
    return [make("h4", {}, caption), rows.length ? make("table", { "aria-label": caption }, make("thead", {}, head), body) : make("p", { class: "wh-quiet" }, empty)];
  }

  function draw() {
    for (const [action, button] of Object.entries(buttons)) {
      button.setAttribute("aria-disabled", String(busy || !possible(action)));
      button.style.opacity = busy || !possible(action) ? "0.5" : "";
    }
    const clicks = model.get("clicks");
    const last = clicks[clicks.length - 1];
    answer.className = "wh-answer";
    if (busy) {
      answer.replaceChildren("Asking the index, and then pip …");
    } else if (problem) {
      answer.replaceChildren(problem);
    } else if (last) {
      const taken = last.status < 400;
      answer.classList.add(taken ? "wh-taken" : "wh-refused");
      answer.replaceChildren(
        make("div", {}, `${actions[last.do]} ${last.version}`),
        make("div", {}, make("strong", {}, `${taken ? "✓" : "✗"} ${last.status} `), last.reason),
      );
    } else {
      answer.replaceChildren("Nothing was sent yet.");
    }
    files.replaceChildren(
      ...table(
        "Files on the index",
        ["File", "State"],
        model.get("files").map((file) =>
          make(
            "tr",
            {},
            make("td", {}, make("code", {}, file.name), ...(file.sha256 ? [make("div", { class: "wh-quiet" }, `sha256 ${file.sha256}…`)] : [])),
            make("td", {}, make("span", { class: `wh-${file.state}` }, STATE[file.state]), ...(file.note ? [make("div", { class: "wh-quiet" }, file.note)] : [])),
          ),
        ),
        "None yet.",
      ),
    );
    choices.replaceChildren(
      ...table(
        "What pip would take",
        ["pip install", "It takes"],
        model.get("choices").map((choice) =>
          make(
            "tr",
            {},
            make("td", {}, make("code", {}, choice.asked)),
            choice.takes
              ? make("td", {}, make("span", { class: choice.warns ? "wh-warns" : "wh-fine" }, `${choice.warns ? "⚠" : "✓"} ${choice.takes}${choice.warns ? ", with a warning: yanked" : ""}`))
              : make("td", {}, make("span", { class: "wh-fails" }, "✗ nothing"), make("div", { class: "wh-quiet" }, choice.error)),
          ),
        ),
        "Nothing is there to choose from.",
      ),
    );
    story.replaceChildren(...clicks.map((one) => make("li", {}, `${actions[one.do]} ${one.version}: ${one.status} ${one.reason}`)));
    journal.replaceChildren(...model.get("journal").map((line) => make("li", {}, line)));
  }

  const traits = ["clicks", "files", "choices", "journal", "sent"].map((trait) => `change:${trait}`).join(" ");
  model.on(traits, draw);
  draw();
  return () => model.off(traits, draw);
}

export default { render };
