// The package explorer (see pictures/package_explorer.py): every state was tried before, so nothing is asked of the kernel.
const SIGN = { good: ["✓", "seen"], lacking: ["✗", "missing"], odd: ["≠", "odd"], quiet: ["…", "not tried"] };

function render({ model, el }) {
  const switches = model.get("switches");
  const files = model.get("files");
  const readers = model.get("readers");
  const on = new Set(model.get("on"));
  let before = {};

  const boxes = make("fieldset", { class: "wh-boxes" }, make("legend", {}, "What is so in this project"));
  const list = make("ul", { class: "wh-files", "aria-label": "Files of the project" });
  const front = make("div", { class: "wh-front" });
  const cards = make("div", { class: "wh-cards" });
  const status = make("p", { class: "wh-quiet", role: "status" });
  const whole = make("button", { type: "button" }, "Tick everything");
  const left = make("div", { class: "wh-left" }, boxes, whole, list, front);
  const right = make("div", { class: "wh-right", role: "region", "aria-label": "What the readers see" }, status, cards);
  const root = make("section", { class: "wh-picture wh-explorer", "aria-label": "Package explorer" }, left, right);
  keepKeys(root);
  el.append(root);

  const ticks = switches.map((one) => {
    const box = make("input", { type: "checkbox", "data-switch": one.name });
    box.checked = on.has(one.name);
    box.addEventListener("change", () => {
      if (box.checked) on.add(one.name);
      else on.delete(one.name);
      draw(true);
    });
    boxes.append(make("label", {}, box, make("span", {}, ...inline(one.label))));
    return box;
  });
  whole.addEventListener("click", () => {
    switches.forEach((one, index) => {
      on.add(one.name);
      ticks[index].checked = true;
    });
    draw(true);
  });

  const there = (piece) => piece.needs.every((name) => on.has(name)) && !piece.unless.some((name) => on.has(name));
  const seen = (reader) => {
    const key = reader.depends.map((name) => (on.has(name) ? "1" : "0")).join("");
    return (model.get("results")[reader.name] || {})[key] || [];
  };

  function draw(told) {
    // the two switches inside of __init__.py mean nothing without it
    switches.forEach((one, index) => {
      ticks[index].disabled = !on.has("init") && (one.name === "all" || one.name === "underscore");
    });
    const folders = new Set();
    const rows = [];
    const row = (name, level, note = "") => {
      const item = make("li", {}, make("code", {}, name), make("span", { class: "wh-quiet" }, note));
      item.style.paddingLeft = `${1.3 * level}em`;
      rows.push(item);
    };
    for (const file of files.filter(there)) {
      const parts = file.path.split("/");
      parts.slice(0, -1).forEach((name, level) => {
        const folder = parts.slice(0, level + 1).join("/");
        if (!folders.has(folder)) row(`${name}/`, level);
        folders.add(folder);
      });
      row(parts[parts.length - 1], parts.length - 1, file.pieces.length ? "" : " (empty)");
    }
    list.replaceChildren(...rows);
    const init = files.find((file) => file.path === "till/__init__.py");
    const text = init.pieces.filter(there).map((piece) => piece.text).join("");
    front.replaceChildren(
      make("p", {}, make("code", {}, init.path), there(init) ? " says:" : " isn't there."),
      ...(there(init) ? [make("pre", { tabindex: "0", role: "group", "aria-label": "Content of till/__init__.py" }, text)] : []),
    );
    const changed = [];
    cards.replaceChildren(
      ...readers.map((reader) => {
        const lines = seen(reader);
        const now = JSON.stringify(lines);
        const differs = told && before[reader.name] !== now;
        if (differs) changed.push(reader.title);
        before[reader.name] = now;
        const head = make("div", { class: "wh-head" }, make("strong", {}, reader.title), make("code", {}, reader.command));
        if (reader.recorded) head.append(make("span", { class: "wh-quiet" }, `recorded, version ${reader.recorded}`));
        if (differs) head.append(make("span", { class: "wh-changed" }, "changed"));
        const rows = lines.map(([tone, words]) => {
          const [sign, meaning] = SIGN[tone];
          return make("li", { class: `wh-${tone}` }, make("span", { class: "wh-sign", role: "img", "aria-label": meaning }, sign), make("span", {}, ...inline(words)));
        });
        return make("article", { class: differs ? "wh-card wh-differs" : "wh-card", "data-reader": reader.name, "aria-label": reader.title }, head, make("ul", {}, ...rows));
      }),
    );
    if (told) status.textContent = changed.length ? `Changed: ${changed.join(", ")}.` : "Nobody sees a difference.";
    else status.textContent = "Change something, and watch who notices.";
  }

  draw(false);
  return () => {};
}

export default { render };
