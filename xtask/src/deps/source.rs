//! Reads which paths the modules of a crate name. No name is looked up here: see `circles`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, anyhow};
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// A path from the crate's root: `["bench", "table", "Row"]`.
pub(super) type Names = Vec<String>;

/// A module of a crate.
#[derive(Debug, Default)]
pub(super) struct Module {
    /// The module's own path; the root's is empty.
    pub(super) path: Names,
    /// Paths into the crate, in imports and in code. Tests are left out.
    pub(super) references: Vec<Names>,
    /// What each imported name stands for.
    pub(super) imports: BTreeMap<String, Names>,
}

/// Reads the crate whose root is `file`, `src/lib.rs` for example.
pub(super) fn read_crate(file: &Path) -> Result<Vec<Module>> {
    let mut reader = Reader {
        modules: Vec::new(),
    };
    let dir = file.parent().context("a crate's root lies in a folder")?;
    reader.file(file, dir.to_owned(), Vec::new())?;
    Ok(reader.modules)
}

/// Reads modules that are all in one text.
#[cfg(test)]
pub(super) fn read_text(text: &str) -> Vec<Module> {
    let mut reader = Reader {
        modules: Vec::new(),
    };
    let tokens = TokenStream::from_str(text).unwrap();
    reader.module(tokens, PathBuf::new(), Vec::new()).unwrap();
    reader.modules
}

struct Reader {
    modules: Vec<Module>,
}

impl Reader {
    fn file(&mut self, file: &Path, dir: PathBuf, path: Names) -> Result<()> {
        let shown = file.display();
        let text = fs::read_to_string(file).with_context(|| shown.to_string())?;
        let tokens = TokenStream::from_str(&text).map_err(|error| anyhow!("{shown}: {error}"))?;
        self.module(tokens, dir, path)
    }

    /// Reads a module's items. `dir` is the folder of its submodules' files.
    fn module(&mut self, tokens: TokenStream, dir: PathBuf, path: Names) -> Result<()> {
        let mut module = Module {
            path,
            ..Module::default()
        };
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut rest = &tokens[..];
        while !rest.is_empty() {
            if is_test(rest) {
                rest = after_item(&rest[2..]);
            } else if let [TokenTree::Ident(keyword), TokenTree::Ident(name), ..] = rest
                && keyword == "mod"
            {
                let name = name.to_string();
                let path = [&module.path[..], std::slice::from_ref(&name)].concat();
                match rest.get(2) {
                    Some(TokenTree::Group(body)) => {
                        self.module(body.stream(), dir.join(&name), path)?;
                    }
                    _ => self.submodule(&dir, &name, path)?,
                }
                rest = &rest[3.min(rest.len())..];
            } else if is_import(rest) {
                let end = rest.iter().position(|token| is_punct(token, ';'));
                let (tree, after) = rest[1..].split_at(end.context("`use` without `;`")? - 1);
                module.import(tree, &[]);
                rest = after;
            } else {
                rest = module.code(rest);
            }
        }
        self.modules.push(module);
        Ok(())
    }

    fn submodule(&mut self, dir: &Path, name: &str, path: Names) -> Result<()> {
        let folder = dir.join(name);
        let beside = dir.join(format!("{name}.rs"));
        let inside = folder.join("mod.rs");
        let file = if beside.is_file() { beside } else { inside };
        self.file(&file, folder, path)
    }
}

impl Module {
    /// Notes the paths of a `use`: `crate::{a, b::C as D}` after the words `before`.
    fn import(&mut self, tree: &[TokenTree], before: &[String]) {
        let mut names = before.to_vec();
        let mut rest = tree;
        while let Some(token) = rest.first() {
            match token {
                TokenTree::Group(group) => {
                    let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
                    for branch in tokens.split(|token| is_punct(token, ',')) {
                        self.import(branch, &names);
                    }
                    return;
                }
                TokenTree::Ident(word) if word == "as" => break,
                TokenTree::Ident(word) => names.push(word.to_string()),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            rest = &rest[1..];
        }
        if names.last().is_some_and(|name| name == "self") {
            names.pop();
        }
        let alias = rest.get(1).map(ToString::to_string);
        let Some(name) = alias.or_else(|| names.last().cloned()) else {
            return;
        };
        let path = self.absolute(&names);
        if let Some(path) = &path {
            self.references.push(path.clone());
        }
        // A path without `crate` may begin with a submodule; another crate's leads nowhere in ours.
        let path = path.unwrap_or_else(|| [&self.path[..], &names].concat());
        self.imports.insert(name, path);
    }

    /// Notes the path at the beginning of `tokens`, if there is one, and gives what comes after it.
    fn code<'a>(&mut self, tokens: &'a [TokenTree]) -> &'a [TokenTree] {
        match &tokens[0] {
            TokenTree::Group(group) => self.group(group),
            token
                if ["crate", "super", "self"]
                    .iter()
                    .any(|word| is_word(token, word)) =>
            {
                let mut names = vec![token.to_string()];
                let mut rest = &tokens[1..];
                while let [colon, _, TokenTree::Ident(name), after @ ..] = rest
                    && is_punct(colon, ':')
                {
                    names.push(name.to_string());
                    rest = after;
                }
                if names.len() > 1 {
                    self.references.extend(self.absolute(&names));
                }
                return rest;
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
        &tokens[1..]
    }

    fn group(&mut self, group: &Group) {
        let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
        let mut rest = &tokens[..];
        while !rest.is_empty() {
            // Imports inside of a function.
            if is_import(rest)
                && group.delimiter() == Delimiter::Brace
                && let Some(end) = rest.iter().position(|token| is_punct(token, ';'))
            {
                self.import(&rest[1..end], &[]);
                rest = &rest[end..];
            } else {
                rest = self.code(rest);
            }
        }
    }

    /// The path from the root, if `names` begin with `crate`, `super` or `self`.
    fn absolute(&self, names: &[String]) -> Option<Names> {
        let (first, mut rest) = names.split_first()?;
        let mut path = match first.as_str() {
            "crate" => Vec::new(),
            "self" => self.path.clone(),
            "super" => self.path[..self.path.len().checked_sub(1)?].to_vec(),
            _ => return None,
        };
        while let Some((name, after)) = rest.split_first()
            && name == "super"
        {
            path.pop();
            rest = after;
        }
        path.extend_from_slice(rest);
        Some(path)
    }
}

/// Whether `tokens` begin with `#[cfg(test)]` or `#[cfg(doctest)]`.
fn is_test(tokens: &[TokenTree]) -> bool {
    let [hash, TokenTree::Group(attribute), ..] = tokens else {
        return false;
    };
    let attribute = attribute.to_string().replace(' ', "");
    is_punct(hash, '#') && ["[cfg(test)]", "[cfg(doctest)]"].contains(&attribute.as_str())
}

/// What follows the item at the beginning of `tokens`.
fn after_item(tokens: &[TokenTree]) -> &[TokenTree] {
    let ends = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        token => is_punct(token, ';'),
    };
    let end = tokens.iter().position(ends);
    &tokens[end.map_or(tokens.len(), |end| end + 1)..]
}

/// Whether `tokens` begin with an import, and not with the captures of a type: `use<'a>`.
fn is_import(tokens: &[TokenTree]) -> bool {
    let captures = tokens.get(1).is_some_and(|token| is_punct(token, '<'));
    tokens.first().is_some_and(|token| is_word(token, "use")) && !captures
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == word)
}

fn is_punct(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == character)
}
