//! Writes the styleguide, a page before sign-in and the assets into a folder, to be served at `/`:
//! `styleguide FOLDER [light|dark]`.

use std::path::PathBuf;
use std::{env, fs, io};

use any_spawner::Executor;
use futures::{StreamExt as _, stream};
use leptos::prelude::*;
use leptos_meta::ServerMetaContext;
use signpost_app::assets;
use signpost_app::components::{CsrfToken, Tone};
use signpost_app::pages::problem::{Problem, ProblemPage};
use signpost_app::pages::styleguide::Styleguide;
use signpost_app::shell::{Flash, Frame, SignedIn, Theme, document};

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    Executor::init_tokio().map_err(io::Error::other)?;
    let mut arguments = env::args().skip(1);
    let folder = PathBuf::from(arguments.next().unwrap_or_else(|| "styleguide".to_owned()));
    let theme = Theme::parse(&arguments.next().unwrap_or_default());
    fs::create_dir_all(folder.join("assets"))?;
    for asset in assets::all() {
        fs::write(folder.join("assets").join(asset.file_name()), &asset.body)?;
    }
    let styleguide = render(frame(theme), || view! { <Styleguide /> }).await;
    fs::write(folder.join("index.html"), styleguide)?;
    let problem = render(
        frame(theme),
        || view! { <ProblemPage problem=Problem::NotFound /> },
    )
    .await;
    fs::write(folder.join("problem.html"), problem)
}

fn frame(theme: Theme) -> Frame {
    let saved = Flash {
        tone: Tone::Ok,
        title: "Settings saved.".to_owned(),
        detail: String::new(),
        undo: None,
    };
    Frame {
        organisation: "Contoso".to_owned(),
        operator: Some(SignedIn {
            name: "Alice Silva".to_owned(),
            role: "Owner".to_owned(),
        }),
        theme,
        practice: true,
        notices: vec![saved],
        ..Frame::default()
    }
}

async fn render<V: IntoView + 'static>(frame: Frame, page: impl FnOnce() -> V) -> String {
    let (context, head) = ServerMetaContext::new();
    let html = Owner::new().with(|| {
        provide_context(context);
        provide_context(CsrfToken("sample".to_owned()));
        provide_context(frame);
        document(page()).to_html()
    });
    head.inject_meta_context(stream::iter([html]))
        .await
        .collect()
        .await
}
