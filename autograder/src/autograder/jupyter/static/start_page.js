// The start page (see start_page.py). Titles and messages only ever become text, never markup.
/** Give the attributes with which JupyterLab takes a button for a command. */
const command = (name, args) => ({
  type: "button",
  "data-commandlinker-command": name,
  "data-commandlinker-args": JSON.stringify(args),
});

/** Where the page is no JupyterLab but a single notebook (Notebook 7): the address below which its other pages stand. */
function pages() {
  if (document.getElementById("jp-main-dock-panel")) return "";
  try {
    return JSON.parse(document.getElementById("jupyter-config-data").textContent).baseUrl || "";
  } catch {
    return "";
  }
}

/** Give the address of a notebook, or of a terminal, below that. */
const address = (base, kind, path) => `${base}${kind}/${path.split("/").map(encodeURIComponent).join("/")}`;

function render({ model, el }) {
  const base = pages();
  const reminder = make("p", { class: "wh-reminder" }, ...inline(model.get("reminder")));
  reminder.hidden = !model.get("reminder");
  const onward = make("div", { class: "wh-onward" });
  const table = make("tbody");
  const head = ["No.", "Lesson", "To do", "Points", "So far"].map((name) => make("th", { scope: "col" }, name));
  const keep = make("button", { type: "button", class: "wh-keep" }, "Keep my progress");
  const again = make("a", { class: "wh-again" });
  again.hidden = true;
  const choose = make("input", { type: "file", accept: ".wheelhouse", class: "wh-file", tabindex: "-1", "aria-hidden": "true" });
  const bring = make("button", { type: "button", class: "wh-bring" }, "Bring progress back");
  const question = make("p", { class: "wh-question" });
  const yes = make("button", { type: "button" }, "Yes, bring it back");
  const no = make("button", { type: "button" }, "No, leave all as it is");
  const asked = make("div", { class: "wh-asked", role: "group", "aria-label": "Replace what is here?" }, question, yes, no);
  const message = make("p", { class: "wh-message", role: "status", "aria-live": "polite" });
  const root = make(
    "section",
    { class: "wh-start", "aria-label": "Your progress" },
    onward,
    make("table", {}, make("thead", {}, make("tr", {}, ...head)), table),
    reminder,
    make("div", { class: "wh-carry" }, keep, again, bring, choose),
    asked,
    message,
  );
  el.append(root);

  /** Where notebooks open: in the column of this page, wherever the last click was. */
  const beside = () => {
    const panel = el.closest(".jp-NotebookPanel");
    return panel && panel.id ? { options: { mode: "tab-after", ref: panel.id } } : {};
  };
  const opens = (path, text, label) => {
    if (base) return make("a", { href: address(base, "notebooks", path), target: "_blank", "aria-label": label }, text);
    const button = make("button", { ...command("docmanager:open", { path }), class: "wh-link", "aria-label": label }, text);
    button.addEventListener("pointerdown", () => place(button, path));
    button.addEventListener("keydown", () => place(button, path));
    return button;
  };
  const place = (button, path) => {
    button.setAttribute("data-commandlinker-args", JSON.stringify({ path, ...beside() }));
  };
  const press = (name, args) => {
    const button = make("button", { ...command(name, args), hidden: true });
    root.append(button);
    button.click();
    button.remove();
  };

  /** Open the lesson, the exercise and its shell, and bring to the front what comes next. */
  function goOn(row) {
    const front = row.begun ? row.exercise : row.lesson;
    if (base) {
      window.open(address(base, "notebooks", front), "_blank");
      return;
    }
    for (const path of [row.begun ? row.lesson : row.exercise, front]) {
      if (path) press("docmanager:open", { path, ...beside() });
    }
    if (!model.get("terminals")) return;
    setOpening(true);
    whenThere(front, () => {
      press("terminal:open", { name: `ex${row.number}` });
      whenThere(`ex${row.number}`, () => {
        press("docmanager:open", { path: front, ...beside() });
        setOpening(false);
      });
    });
  }

  /** Go on when a tab is there that is called so, or after some seconds in any case. */
  function whenThere(name, next) {
    const last = Date.now() + 4000;
    const wait = setInterval(() => {
      const tabs = [...document.querySelectorAll(".lm-DockPanel-tabBar .lm-TabBar-tab")];
      if (!tabs.some((tab) => `${tab.title} ${tab.textContent}`.includes(name)) && Date.now() < last) return;
      clearInterval(wait);
      setTimeout(next, 200); // it comes to the front by itself first
    }, 100);
  }

  let opening = false; // a second press, from impatience, opens nothing
  function setOpening(now) {
    opening = now;
    onward.querySelector(".wh-go")?.setAttribute("aria-busy", String(now));
  }

  function draw() {
    const rows = model.get("rows");
    table.replaceChildren(
      ...rows.map((row) =>
        make(
          "tr",
          { class: row.next ? "wh-next" : "" },
          make("td", {}, row.number),
          make(
            "td",
            {},
            row.lesson ? opens(row.lesson, row.title, `Lesson ${row.number}: ${row.title}`) : row.title,
            row.lesson_minutes ? make("span", { class: "wh-quiet" }, ` ${row.lesson_minutes} min`) : "",
          ),
          make(
            "td",
            {},
            row.exercise ? opens(row.exercise, "Exercise", `Exercise ${row.number}: ${row.title}`) : "Exercise",
            make("span", { class: "wh-quiet" }, ` ${row.minutes} min`),
          ),
          make("td", {}, make("meter", { min: 0, max: row.points, value: row.score, "aria-label": `${row.score} of ${row.points} points` })),
          make("td", {}, `${row.done ? "✓ " : row.next ? "→ " : ""}${row.state}`),
        ),
      ),
    );
    const next = rows.find((row) => row.next);
    onward.replaceChildren();
    table.parentElement.hidden = !rows.length; // the same stands above as HTML
    if (!rows.length) return;
    if (!next) {
      onward.append(make("p", {}, make("strong", {}, "All is done."), " Well done."));
      return;
    }
    const verb = next.begun ? "Continue here" : "Begin here";
    const go = make("button", { type: "button", class: "wh-go" }, `${verb}: ${next.number} ${next.title}`);
    go.disabled = !next.lesson && !next.exercise;
    go.setAttribute("aria-busy", String(opening));
    go.addEventListener("click", () => opening || goOn(next));
    const what = next.begun && model.get("task") ? `${model.get("task")}. ` : "";
    if (base) {
      const link = make("a", { href: address(base, "terminals", `ex${next.number}`), target: "_blank" }, "open its shell");
      const shell = model.get("terminals") ? [" Beside it, ", link, "."] : [];
      onward.append(go, make("p", { class: "wh-quiet" }, `${what}The button opens a page of its own.`, ...shell));
      return;
    }
    const shell = model.get("terminals") ? "The button opens lesson, exercise and shell side by side." : "The button opens lesson and exercise.";
    onward.append(go, make("p", { class: "wh-quiet" }, what + shell));
  }

  function say() {
    message.replaceChildren(...inline(model.get("busy") || model.get("message")));
    const text = model.get("question");
    const busy = Boolean(model.get("busy"));
    asked.hidden = !text;
    question.replaceChildren(...inline(text));
    for (const button of [keep, bring, yes, no]) button.disabled = busy;
    if (!text) answered = true;
    else if (answered && !busy) {
      answered = false; // a question has come: once, and when it can be answered
      yes.focus();
    }
  }
  let answered = true;

  keep.addEventListener("click", () => model.send({ type: "keep" }));
  bring.addEventListener("click", () => choose.click());
  choose.addEventListener("change", async () => {
    const file = choose.files[0];
    if (!file) return;
    const data = await file.arrayBuffer();
    choose.value = "";
    model.send({ type: "bring", name: file.name }, undefined, [data]);
  });
  yes.addEventListener("click", () => model.send({ type: "yes" }));
  no.addEventListener("click", () => {
    model.send({ type: "no" });
    bring.focus();
  });
  asked.addEventListener("keydown", (event) => {
    if (event.key === "Escape") no.click();
  });

  const onMessage = (content, buffers) => {
    if (content.type !== "file") return;
    if (again.href) URL.revokeObjectURL(again.href);
    again.href = URL.createObjectURL(new Blob([buffers[0]], { type: "application/octet-stream" }));
    again.download = content.name;
    again.textContent = "Save the file again";
    again.hidden = false;
    again.click();
  };

  const seen = new IntersectionObserver((entries) => {
    if (entries[entries.length - 1].isIntersecting && Date.now() - drawnAt > 3000) {
      drawnAt = Date.now();
      try {
        model.send({ type: "look" });
      } catch {
        /* the kernel is gone: what is shown stays */
      }
    }
  });
  let drawnAt = Date.now();
  seen.observe(root);

  for (const name of ["change:rows", "change:task"]) model.on(name, draw);
  for (const name of ["change:busy", "change:message", "change:question"]) model.on(name, say);
  model.on("msg:custom", onMessage);
  draw();
  say();

  return () => {
    seen.disconnect();
    for (const name of ["change:rows", "change:task"]) model.off(name, draw);
    for (const name of ["change:busy", "change:message", "change:question"]) model.off(name, say);
    model.off("msg:custom", onMessage);
    if (again.href) URL.revokeObjectURL(again.href);
  };
}

export default { render };
