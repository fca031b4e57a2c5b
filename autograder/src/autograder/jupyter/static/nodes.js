// Nodes of a page, for all our widgets: joined before their own scripts (see widget_files.py).
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** One line of Markdown (code, strong, emphasis) as nodes. */
function inline(text) {
  const pattern = /`([^`]+)`|\*\*(.+?)\*\*|(?<![\w*])\*([^*\s][^*]*)\*/g;
  const nodes = [];
  let at = 0;
  for (const match of (text || "").matchAll(pattern)) {
    nodes.push(text.slice(at, match.index));
    const tag = match[1] ? "code" : match[2] ? "strong" : "em";
    nodes.push(make(tag, {}, match[1] || match[2] || match[3]));
    at = match.index + match[0].length;
  }
  return [...nodes, (text || "").slice(at)];
}
