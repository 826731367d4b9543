import { counted } from './progress.js';

/** The compiled module, on its way, with progress. */
export async function fetchModule(progress) {
  const url = new URL('./glm4v_web_bg.wasm', import.meta.url);
  let response;
  try {
    response = await fetch(url);
  } catch (cause) {
    throw new Error(`${url}: expected the WebAssembly module, found no answer (${cause.message})`, { cause });
  }
  if (!response.ok) {
    throw new Error(
      `${url}: expected the WebAssembly module, found status ${response.status}; it must be served beside worker.js`,
    );
  }
  // A compressed answer's length is not that of what arrives here.
  const total = response.headers.has('content-encoding') ? 0 : Number(response.headers.get('content-length'));
  progress.begin('module', total);
  return new Response(counted(response.body, progress), { headers: { 'content-type': 'application/wasm' } });
}
