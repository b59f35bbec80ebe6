"""The reference of the API: an OpenAPI document made from the contract, and the page that shows it."""
