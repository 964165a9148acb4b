//! What the grammar alone does not find: commands and parameters that do not exist, and two
//! spellings of one variable (PowerShell folds case, so one overwrites the other).

use std::collections::{BTreeMap, BTreeSet};

use tree_sitter::{Node, Parser, Tree};

/// Every command our scripts may use, with the parameters they may use of it.
const COMMANDS: &[(&str, &str)] = &[
    // Microsoft.Graph.Authentication
    (
        "Connect-MgGraph",
        "TenantId Environment Scopes ContextScope NoWelcome",
    ),
    ("Get-MgContext", ""),
    (
        "Invoke-MgGraphRequest",
        "Method Uri Headers Body ContentType OutputType SkipHttpErrorCheck StatusCodeVariable",
    ),
    // PowerShell 5.1 itself
    ("ConvertFrom-Json", "InputObject"),
    ("ConvertTo-Json", "InputObject Depth"),
    (
        "Export-Csv",
        "LiteralPath Append NoTypeInformation Encoding",
    ),
    ("ForEach-Object", "Process"),
    ("Get-Content", "LiteralPath Raw Encoding"),
    ("Get-Date", ""),
    ("Get-Location", ""),
    ("Import-Csv", "LiteralPath Encoding"),
    (
        "Invoke-WebRequest",
        "Uri UseBasicParsing TimeoutSec MaximumRedirection",
    ),
    ("Join-Path", "Path ChildPath"),
    ("New-Object", "TypeName ArgumentList"),
    ("Read-Host", "Prompt"),
    ("Select-Object", "First"),
    ("Set-Content", "LiteralPath Encoding"),
    ("Set-StrictMode", "Version"),
    ("Start-Sleep", "Seconds"),
    ("Test-Path", "LiteralPath"),
    ("Where-Object", "FilterScript"),
    ("Write-Host", "Object ForegroundColor"),
];

/// Where the grammar could not follow.
pub(crate) fn parse_errors(text: &str) -> Vec<String> {
    let parsed = Parsed::new(text);
    let mut errors = Vec::new();
    parsed.walk(|node| {
        if node.is_error() || node.is_missing() {
            errors.push(format!(
                "{}: {}",
                node.start_position().row + 1,
                parsed.text_of(node)
            ));
        }
    });
    errors
}

/// A script and its tree.
pub(crate) struct Parsed {
    text: String,
    tree: Tree,
}

struct Call {
    name: String,
    parameters: Vec<String>,
}

impl Parsed {
    pub(crate) fn new(text: &str) -> Self {
        let mut parser = Parser::new();
        parser
            .set_language(&tree_sitter_powershell::LANGUAGE.into())
            .unwrap();
        Self {
            tree: parser.parse(text, None).unwrap(),
            text: text.to_owned(),
        }
    }

    pub(crate) fn command_names(&self) -> Vec<String> {
        self.calls().into_iter().map(|call| call.name).collect()
    }

    /// Commands and parameters that neither the table nor the script itself knows.
    pub(crate) fn unknown_commands(&self) -> Vec<String> {
        let functions = self.functions();
        let mut unknown = Vec::new();
        for call in self.calls() {
            let known: Vec<String> = if let Some(parameters) = functions.get(&call.name) {
                parameters.clone()
            } else if let Some((_, parameters)) = COMMANDS.iter().find(|(n, _)| *n == call.name) {
                parameters.split(' ').map(str::to_owned).collect()
            } else {
                unknown.push(call.name);
                continue;
            };
            for parameter in call.parameters {
                if !known.contains(&parameter) {
                    unknown.push(format!("{} -{parameter}", call.name));
                }
            }
        }
        unknown
    }

    pub(crate) fn uncalled_functions(&self) -> Vec<String> {
        let called: BTreeSet<String> = self.command_names().into_iter().collect();
        self.functions()
            .into_keys()
            .filter(|name| !called.contains(name))
            .collect()
    }

    /// Per function, and for what is outside of functions.
    pub(crate) fn variables_in_two_spellings(&self) -> Vec<String> {
        let mut scopes: BTreeMap<usize, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
        self.walk(|node| {
            if node.kind() == "variable" {
                let name = self
                    .text_of(node)
                    .trim_start_matches(['$', '@', '{'])
                    .to_owned();
                let scope = enclosing_function(node).map_or(0, |function| function.id());
                let spellings = scopes.entry(scope).or_default();
                spellings
                    .entry(name.to_lowercase())
                    .or_default()
                    .insert(name);
            }
        });
        scopes
            .into_values()
            .flat_map(BTreeMap::into_values)
            .filter(|spellings| spellings.len() > 1)
            .map(|spellings| spellings.into_iter().collect::<Vec<_>>().join(" "))
            .collect()
    }

    /// The script's own functions and their parameters.
    fn functions(&self) -> BTreeMap<String, Vec<String>> {
        let mut functions = BTreeMap::new();
        self.walk(|node| {
            if node.kind() == "function_statement" {
                let name = self.child_text(node, "function_name");
                let mut parameters = Vec::new();
                walk(node, &mut |inner| {
                    if inner.kind() == "script_parameter" {
                        let name = self.child_text(inner, "variable");
                        parameters.push(name.trim_start_matches('$').to_owned());
                    }
                });
                functions.insert(name, parameters);
            }
        });
        functions
    }

    fn calls(&self) -> Vec<Call> {
        let tables = self.tables();
        let mut calls = Vec::new();
        self.walk(|node| {
            if node.kind() != "command" {
                return;
            }
            let mut parameters = Vec::new();
            let mut cursor = node.walk();
            let elements = node.children(&mut cursor).flat_map(|child| {
                let mut inner = child.walk();
                child
                    .children(&mut inner)
                    .chain([child])
                    .collect::<Vec<_>>()
            });
            for element in elements {
                let text = self.text_of(element);
                if element.kind() == "command_parameter" {
                    parameters.push(text.trim_start_matches('-').to_owned());
                }
            }
            // A splatted table names parameters by its keys.
            for word in self.text_of(node).split_whitespace() {
                if let Some(keys) = word.strip_prefix('@').and_then(|name| tables.get(name)) {
                    parameters.extend(keys.iter().cloned());
                }
            }
            calls.push(Call {
                name: self.child_text(node, "command_name"),
                parameters,
            });
        });
        calls
    }

    /// The keys of each table that is assigned to a variable, later additions included.
    fn tables(&self) -> BTreeMap<String, Vec<String>> {
        let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
        self.walk(|node| {
            if node.kind() != "assignment_expression" {
                return;
            }
            let text = self.text_of(node);
            let Some((target, value)) = text.split_once('=') else {
                return;
            };
            let target = target.trim().trim_start_matches('$');
            if let Some((name, key)) = target.split_once("['") {
                let key = key.trim_end_matches("']").to_owned();
                tables.entry(name.to_owned()).or_default().push(key);
            } else if value.trim_start().starts_with("@{") {
                let keys = tables.entry(target.to_owned()).or_default();
                walk(node, &mut |inner| {
                    if inner.kind() == "key_expression" && depth_of_tables(inner, node) == 1 {
                        keys.push(self.text_of(inner).trim().to_owned());
                    }
                });
            }
        });
        tables
    }

    fn child_text(&self, node: Node<'_>, kind: &str) -> String {
        let mut found = None;
        walk(node, &mut |inner| {
            if found.is_none() && inner.kind() == kind {
                found = Some(self.text_of(inner).to_owned());
            }
        });
        found.unwrap_or_default()
    }

    fn text_of(&self, node: Node<'_>) -> &str {
        &self.text[node.byte_range()]
    }

    fn walk(&self, mut visit: impl FnMut(Node<'_>)) {
        walk(self.tree.root_node(), &mut visit);
    }
}

fn walk<'a>(node: Node<'a>, visit: &mut dyn FnMut(Node<'a>)) {
    visit(node);
    let mut cursor = node.walk();
    for child in node.children(&mut cursor) {
        walk(child, visit);
    }
}

fn enclosing_function(node: Node<'_>) -> Option<Node<'_>> {
    std::iter::successors(node.parent(), Node::parent)
        .find(|parent| parent.kind() == "function_statement")
}

fn depth_of_tables(node: Node<'_>, top: Node<'_>) -> usize {
    std::iter::successors(node.parent(), Node::parent)
        .take_while(|parent| parent.id() != top.id())
        .filter(|parent| parent.kind() == "hash_literal_expression")
        .count()
}
