import { element } from './elements.js';

/** Files from the button, from a drop anywhere on the page, and from the clipboard. */
export function onFiles(take) {
  const input = element('file');
  element('open').addEventListener('click', () => input.click());
  input.addEventListener('change', () => {
    take([...input.files]);
    // Without this, picking the same file again would send no event.
    input.value = '';
  });
  document.addEventListener('paste', ({ clipboardData }) => take([...clipboardData.files]));
  onDrop(take);
}

function onDrop(take) {
  const highlight = (over) => element('drop').classList.toggle('over', over);
  document.addEventListener('dragover', (event) => {
    event.preventDefault();
    highlight(true);
  });
  document.addEventListener('dragleave', ({ relatedTarget }) => highlight(relatedTarget !== null));
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    highlight(false);
    take([...event.dataTransfer.files]);
  });
}
