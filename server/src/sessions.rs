//! tower-sessions over our own table: ids stored hashed, both lifetimes checked at use.

use async_trait::async_trait;
