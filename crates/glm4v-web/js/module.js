import { counted } from './progress.js';

/** Fetches the WebAssembly module and reports progress. */
export async function fetchModule(progress) {
  const url = new URL('./glm4v_web_bg.wasm', import.meta.url);
  let response;
  try {
    response = await fetch(url);
  } catch (cause) {
    throw new Error(`${url}: no response for the WebAssembly module (${cause.message}); check the network`, { cause });
  }
  if (!response.ok) {
    throw new Error(
      `${url}: the server answered with status ${response.status}; the WebAssembly module must be served beside worker.js`,
    );
  }
  // The content-length of a compressed response does not count the bytes that arrive here.
  const total = response.headers.has('content-encoding') ? 0 : Number(response.headers.get('content-length'));
  progress.begin('module', total);
  return new Response(counted(response.body, progress), { headers: { 'content-type': 'application/wasm' } });
}
