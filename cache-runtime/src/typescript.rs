//! The keys of a program for its browsers: builders in TypeScript that make them as Rust does.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::check_keys;
use crate::site::Site;

/// `keys.ts`: a builder of the keys of each function and each declaration in the whole program, by module and name, for the npm package
/// `@cache-runtime/tanstack-query`. A key that it makes is the one that `http::Pushes` names when it is old.
///
/// ```
/// # use cache_runtime::cache_keys;
/// mod keys {
/// #   use cache_runtime::cache_keys;
///     cache_keys! {
///         pub task(task_id: u64) = "tasks:{task_id}", ttl = "5m";
///     }
/// }
///
/// # fn main() {
/// let typescript = cache_runtime::typescript_keys();
/// assert!(typescript.contains("task: (taskId: number | bigint): CacheKey => key`tasks:${taskId}`,"));
/// # }
/// ```
///
/// It belongs into a test, which compares it with the file that is checked in, or into a small program. What it sees and what not is as with [`check_keys`](crate::check_keys()).
///
/// Numbers, texts, `bool`, `Uuid`, and `Option`s and `Vec`s of these have their types in TypeScript. What is of another type, or more than a parameter, may be
/// any part of a key there; the text of a variant without fields is its name. A struct or a map cannot be made there: name its fields in the key.
pub fn typescript_keys() -> String {
    written(check_keys::sites())
}

const HEAD: &str = "// Written by cache_runtime::typescript_keys(): change the functions and declarations in Rust instead.\n";

/// Modules by name, and the builders in them.
#[derive(Default)]
struct Module<'a> {
    modules: BTreeMap<&'a str, Self>,
    builders: Vec<(&'a str, &'a Site)>,
}

fn written<'a>(sites: impl Iterator<Item = &'a Site>) -> String {
    let mut sites: Vec<_> = sites.filter(|site| site.owns_keys()).collect();
    // The linker knows no order.
    sites.sort_by_key(|site| (site.function, site.template));
    let program = |site: &&&Site| site.function.split("::").next();
    let first = sites.first().and_then(|site| program(&site));
    let of_one = sites.iter().all(|site| program(&site) == first);
    let mut all = Module::default();
    for site in sites {
        let path = site.function.split("::").skip(usize::from(of_one));
        let mut path: Vec<&str> = path.collect();
        let name = path.pop().unwrap_or_default();
        let module = path.into_iter().fold(&mut all, |module, name| {
            module.modules.entry(name).or_default()
        });
        module.builders.push((name, site));
    }
    let mut keys = "export const keys = {\n".to_owned();
    all.write(&mut keys, 1);
    keys.push_str("};\n");
    // To some, what is imported and not used is an error.
    let imported = [
        ("CacheKey", "type CacheKey"),
        ("KeyPart", "type KeyPart"),
        ("float(", "float"),
        ("key`", "key"),
    ];
    let imported = imported.into_iter().filter(|(used, _)| keys.contains(used));
    let imported: Vec<_> = imported.map(|(_, name)| name).collect();
    let imported = imported.join(", ");
    format!("{HEAD}import {{ {imported} }} from \"@cache-runtime/tanstack-query\";\n\n{keys}")
}

impl Module<'_> {
    fn write(&self, out: &mut String, depth: usize) {
        let indent = "  ".repeat(depth);
        for (name, module) in &self.modules {
            let _ = writeln!(out, "{indent}{}: {{", camel(name));
            module.write(out, depth + 1);
            let _ = writeln!(out, "{indent}}},");
        }
        let mut known: Vec<String> = self.modules.keys().map(|name| camel(name)).collect();
        for (name, site) in &self.builders {
            let name = camel(name);
            // Methods of two types may have one name, as a module and a function may.
            let mut own = name.clone();
            for number in 2.. {
                if !known.contains(&own) {
                    break;
                }
                own = format!("{name}{number}");
            }
            let _ = writeln!(out, "{indent}{own}: {},", builder(site));
            known.push(own);
        }
    }
}

/// ``(taskId: number): CacheKey => key`tasks:${taskId}` ``
fn builder(site: &Site) -> String {
    let parts = site.parts.split(", ").filter(|part| !part.is_empty());
    let mut parameters: Vec<(String, String)> = Vec::new();
    let mut literals = site.template.split("{}");
    let mut template = literals.next().unwrap_or_default().to_owned();
    for (part, literal) in parts.zip(literals) {
        let (name, rust) = part.split_once(": ").unwrap_or((part, "_"));
        let ty = typescript(rust).unwrap_or_else(|| "KeyPart".to_owned());
        let mut name = parameter(name);
        if parameters.iter().any(|(known, _)| *known == name) {
            let _ = write!(name, "{}", parameters.len() + 1);
        }
        let value = match rust {
            "f64" => format!("float({name})"),
            // As Rust writes it, however it was spelled in an address.
            uuid if last(uuid) == "Uuid" => format!("{name}.toLowerCase()"),
            _ => name.clone(),
        };
        let _ = write!(template, "${{{value}}}{literal}");
        parameters.push((name, ty));
    }
    let parameters: Vec<_> = parameters
        .iter()
        .map(|(name, ty)| format!("{name}: {ty}"))
        .collect();
    format!("({}): CacheKey => key`{template}`", parameters.join(", "))
}

/// What stands in TypeScript for a type of Rust, where that can be told by its name. Larger integers may be more than a number holds.
fn typescript(rust: &str) -> Option<String> {
    if let Some((generic, inner)) = rust.split_once('<') {
        let inner = inner.strip_suffix('>')?;
        // Of a list of floats each would have to be marked.
        let inner = typescript(inner).filter(|_| inner != "f64");
        return match last(generic) {
            "Option" => Some(format!("{} | null", inner?)),
            "Arc" | "Box" | "Rc" => inner,
            "Vec" => Some(format!("readonly ({})[]", inner?)),
            _ => None,
        };
    }
    let name = match last(rust) {
        "i8" | "i16" | "i32" | "u8" | "u16" | "u32" | "f64" => "number",
        "i64" | "i128" | "isize" | "u64" | "u128" | "usize" => "number | bigint",
        "String" | "str" | "char" | "Uuid" => "string",
        "bool" => "boolean",
        _ => return None,
    };
    Some(name.to_owned())
}

fn last(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path)
}

/// `taskId` of `task_id`
fn camel(name: &str) -> String {
    let mut words = name.split('_').filter(|word| !word.is_empty());
    let mut out = words.next().unwrap_or("_").to_owned();
    for word in words {
        let mut letters = word.chars();
        out.extend(letters.next().iter().flat_map(|first| first.to_uppercase()));
        out.push_str(letters.as_str());
    }
    out
}

/// Words that are no names in JavaScript, though they are in Rust, and those that the file imports.
const TAKEN: [&str; 23] = [
    "arguments",
    "case",
    "catch",
    "class",
    "debugger",
    "default",
    "delete",
    "eval",
    "export",
    "finally",
    "float",
    "function",
    "import",
    "instanceof",
    "interface",
    "key",
    "new",
    "null",
    "package",
    "switch",
    "this",
    "var",
    "with",
];

fn parameter(name: &str) -> String {
    let name = camel(name);
    let taken = TAKEN.contains(&name.as_str());
    if taken || name.starts_with(|first: char| first.is_ascii_digit()) {
        format!("_{name}")
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_a_builder_with_its_types() {
        static TASK: Site = Site::new("app::tasks::by_id", "tasks:{}").parts("task_id: u64");
        static SHARES: Site = Site::sharing("app::load", &DECLARED);
        static DECLARED: Site = Site::declaration("app::keys::board", "boards:v{}:{}:x:{}")
            .parts("version: Option<u8>, user_id: _, class: std::sync::Arc<str>");
        static FLOAT: Site = Site::new("app::at", "at:{}:{}").parts("at: f64, at: Vec<uuid::Uuid>");
        static USER: Site = Site::new("app::user", "users:{}").parts("id: uuid::Uuid");
        static WHOLE: Site = Site::new("app::at", "whole");
        let sites = [&TASK, &SHARES, &DECLARED, &FLOAT, &WHOLE, &USER];
        assert_eq!(
            written(sites.into_iter()),
            format!(
                "{HEAD}import {{ type CacheKey, type KeyPart, float, key }} from \"@cache-runtime/tanstack-query\";

export const keys = {{
  keys: {{
    board: (version: number | null, userId: KeyPart, _class: string): CacheKey => key`boards:v${{version}}:${{userId}}:x:${{_class}}`,
  }},
  tasks: {{
    byId: (taskId: number | bigint): CacheKey => key`tasks:${{taskId}}`,
  }},
  at: (at: number, at2: readonly (string)[]): CacheKey => key`at:${{float(at)}}:${{at2}}`,
  at2: (): CacheKey => key`whole`,
  user: (id: string): CacheKey => key`users:${{id.toLowerCase()}}`,
}};
"
            )
        );
        let one = written([&WHOLE].into_iter());
        assert!(one.contains("import { type CacheKey, key } from"), "{one}");
    }
}
