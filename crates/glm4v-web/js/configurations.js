import { displayUrl } from './http.js';

const COMMIT = /^[0-9a-f]{40}$/;

/** The texts of the configuration files, and the base address of the weights. */
export async function configurations(request, http) {
  const { text: config, base } = await mainConfig(request, http);
  return { config, ...await processors(request, base?.directory, http), base };
}

const PROCESSORS = {
  processor: 'processor_config.json',
  preprocessor: 'preprocessor_config.json',
  videoPreprocessor: 'video_preprocessor_config.json',
};

/**
 * The files of the processors that there are. A directory has them in the layout of transformers 4 or 5, and the module prefers
 * the nested file of transformers 5. `replaced` names the files of the caller, which win over the directory's.
 */
async function processors(request, directory, http) {
  const texts = {};
  for (const [option, name] of Object.entries(PROCESSORS)) {
    const source = request[option];
    texts[option] = source ? await textOf(source, directory, '', http) : await optional(directory, name, http);
  }
  if (texts.processor === undefined && texts.preprocessor === undefined) {
    const place = directory ? displayUrl(directory) : 'the options';
    throw new Error(`${place}: expected processor_config.json or preprocessor_config.json, found neither; check the address, or pass processor or preprocessor`);
  }
  const replaced = Object.keys(PROCESSORS).filter((option) => request[option]).map((option) => PROCESSORS[option]);
  return { ...texts, replaced };
}

/** config.json is fetched first: on a hub, the response names the commit from which all other files are then read. */
async function mainConfig({ config, base }, http) {
  if (base?.repository === undefined) {
    return { text: await textOf(config, base?.directory, 'config.json', http), base };
  }
  const at = (revision) => `${base.repository}${encodeURIComponent(revision)}/`;
  const { text, response } = await http.text(`${at(base.revision)}config.json`);
  const commit = response.headers.get('x-repo-commit');
  const resolved = COMMIT.test(commit ?? '') ? { directory: at(commit), commit } : { directory: at(base.revision) };
  return { text: config ? await textOf(config, undefined, '', http) : text, base: resolved };
}

async function textOf(source, directory, name, http) {
  if (source?.text !== undefined) {
    return source.text;
  }
  if (source?.blob) {
    return source.blob.text();
  }
  return (await http.text(source?.url ?? new URL(name, directory).href)).text;
}

/** A checkpoint has some of the files. Weights without an address have no directory to look in. */
async function optional(directory, name, http) {
  const found = directory && await http.text(new URL(name, directory).href, { optional: true });
  return found ? found.text : undefined;
}
