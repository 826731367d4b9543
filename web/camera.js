import { element } from './elements.js';

/** The dialog in which a picture is taken. */
export function onPhoto(take, complain) {
  const [dialog, video] = [element('camera-dialog'), element('camera-video')];
  element('camera').addEventListener('click', async () => {
    try {
      video.srcObject = await open();
      dialog.showModal();
    } catch (error) {
      complain(error);
    }
  });
  element('camera-close').addEventListener('click', () => dialog.close());
  element('camera-shoot').addEventListener('click', async () => {
    const blob = await still(video);
    dialog.close();
    take({ blob, name: 'camera.png' });
  });
  // Escape closes it as well, and the camera's light must go out.
  dialog.addEventListener('close', () => {
    video.srcObject?.getTracks().forEach((track) => track.stop());
    video.srcObject = null;
  });
}

async function open() {
  if (!navigator.mediaDevices) {
    throw new Error('Camera: browsers offer it only to pages served by https or from localhost');
  }
  try {
    return await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
  } catch (cause) {
    const advice = cause.name === 'NotAllowedError' ? 'allow it in the settings of this page' : 'is one connected, and not in use elsewhere?';
    throw new Error(`Camera: the browser gives none (${cause.message}); ${advice}`, { cause });
  }
}

function still(video) {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  canvas.getContext('2d').drawImage(video, 0, 0);
  return new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
}
