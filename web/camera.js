import { element } from './elements.js';

/** The dialog that takes a photo with the camera. */
export function onPhoto(take, showError) {
  const [dialog, video] = [element('camera-dialog'), element('camera-video')];
  element('camera').addEventListener('click', async () => {
    try {
      video.srcObject = await open();
      dialog.showModal();
    } catch (error) {
      showError(error);
    }
  });
  element('camera-close').addEventListener('click', () => dialog.close());
  element('camera-shoot').addEventListener('click', async () => {
    const blob = await photoOf(video);
    dialog.close();
    take({ blob, name: 'camera.png' });
  });
  // Escape closes the dialog too, and the camera must then stop.
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
    const advice = cause.name === 'NotAllowedError'
      ? 'allow it in the settings of this page'
      : 'check that one is connected and that no other program uses it';
    throw new Error(`Camera: the browser cannot open one (${cause.message}); ${advice}`, { cause });
  }
}

function photoOf(video) {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  canvas.getContext('2d').drawImage(video, 0, 0);
  return new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
}
