use signpost_app::assets;

use crate::support::TestApp;

#[tokio::test]
async fn everything_a_page_loads_is_served() {
    let app = TestApp::new().await;
    let browser = app.browser();
    for asset in assets::all() {
        let answer = browser
            .get(&format!("{}{}", assets::PREFIX, asset.file_name()))
            .await;
        assert_eq!(answer.status, 200, "{asset:?}");
        assert_eq!(answer.header("content-type"), asset.content_type);
    }
    assert_eq!(browser.get("/assets/portal.css").await.status, 404);
}
