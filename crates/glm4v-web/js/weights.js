import { BlobFile } from './blob-file.js';
import { displayUrl } from './http.js';
import { StreamFile } from './stream-file.js';
import { streamOf } from './stream.js';
import { openUrl } from './url-file.js';

const SINGLE = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';
/** Responses that may stay open unread. More could use up the browser's connections to one host. */
const OPEN_STREAMS = 1;

/**
 * Opens the files that hold the weights. Each file has a `name`, a `length` (undefined if unknown), a flag `sequential`,
 * and `read(start, end)`, which is called in ascending order. `shardsOf` reads from an index which files hold the tower.
 */
export async function openWeights({ weights, base }, web, shardsOf) {
  const files = await open(weights, base, web, shardsOf);
  const streams = files.filter((file) => file.sequential);
  if (streams.length > OPEN_STREAMS) {
    streams.forEach((file) => file.disconnect());
  }
  return files;
}

async function open(weights, base, web, shardsOf) {
  if (weights?.port) {
    return [new StreamFile('the stream of weights', undefined, streamOf(weights.port))];
  }
  if (weights?.files) {
    return picked(weights.files, shardsOf);
  }
  if (weights) {
    return isIndex(new URL(weights.url).pathname)
      ? sharded(weights.url, await web.http.text(weights.url), web, shardsOf)
      : [await openUrl(weights.url, web)];
  }
  return inDirectory(base.directory, { ...web, version: base.commit }, shardsOf);
}

async function inDirectory(directory, web, shardsOf) {
  const single = await openUrl(new URL(SINGLE, directory).href, { ...web, optional: true });
  if (single) {
    return [single];
  }
  const url = new URL(INDEX, directory).href;
  const index = await web.http.text(url, { optional: true });
  if (!index) {
    throw new Error(`${displayUrl(directory)}: expected ${SINGLE} or ${INDEX}, found neither; check the address, or pass weights`);
  }
  return sharded(url, index, web, shardsOf);
}

async function sharded(url, { text }, web, shardsOf) {
  const names = shardsOf(text, displayUrl(url));
  return Promise.all(names.map((name) => openUrl(shardUrl(url, name), web)));
}

/** The address of a shard. It must be inside the index's directory. */
function shardUrl(url, name) {
  const directory = new URL('.', url).href;
  const shard = new URL(name.split('/').map(encodeURIComponent).join('/'), directory).href;
  if (!shard.startsWith(directory)) {
    throw new Error(`${displayUrl(url)}: expected names of files in the index's directory, found ${JSON.stringify(name)}`);
  }
  return shard;
}

async function picked(files, shardsOf) {
  const index = files.find((file) => isIndex(file.name ?? ''));
  if (!index) {
    return files.map((file) => new BlobFile(file));
  }
  const names = shardsOf(await index.text(), index.name);
  return names.map((name) => {
    const shard = files.find((file) => file.name === name.split('/').at(-1));
    if (!shard) {
      const found = files.filter((file) => file !== index).map((file) => file.name).join(', ') || 'no other file';
      throw new Error(`${index.name}: expected the file ${name} as well, found ${found}; pick ${names.join(', ')} together with the index`);
    }
    return new BlobFile(shard);
  });
}

function isIndex(name) {
  return name.endsWith('.index.json');
}
