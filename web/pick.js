import { element } from './elements.js';

/** Files from anywhere: the button, a drop anywhere on the page, the clipboard. */
export function onFiles(take) {
  const input = element('file');
  element('open').addEventListener('click', () => input.click());
  input.addEventListener('change', () => {
    take([...input.files]);
    // The same file may be picked again.
    input.value = '';
  });
  document.addEventListener('paste', ({ clipboardData }) => take([...clipboardData.files]));
  onDrop(take);
}

function onDrop(take) {
  const mark = (over) => element('drop').classList.toggle('over', over);
  document.addEventListener('dragover', (event) => {
    event.preventDefault();
    mark(true);
  });
  document.addEventListener('dragleave', ({ relatedTarget }) => mark(relatedTarget !== null));
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    mark(false);
    take([...event.dataTransfer.files]);
  });
}
