/** An element of index.html, which has it. */
export function element(id) {
  return document.getElementById(id);
}
