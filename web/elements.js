/** The element of index.html with this id. */
export function element(id) {
  return document.getElementById(id);
}
