"""One file a family of studies; a study is a function (claim, evidence) -> finding."""
