"""Files -> one canonical tree: every step between reading and the project's own normalising.

for each document of each file:
  read, interpolate, extends, !reset, include, merge, unique, schema, canonical, unique
then, for the result: defaults, checks, paths
"""

import copy
import os.path
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

from sampan.compose import schema
from sampan.compose.canonical import Canonical, drop_empty, set_defaults
from sampan.compose.checks import check_tree
from sampan.compose.extends import Base, apply_extends, reset
from sampan.compose.failures import BadKey, FileMissing
from sampan.compose.files import refuse_remote
from sampan.compose.include import Included, apply_include
from sampan.compose.interpolate import interpolate
from sampan.compose.merge import merge, unique
from sampan.compose.origins import Notes
from sampan.compose.paths import Resolver
from sampan.compose.yamltree import Document, read_documents
from sampan.errors import InvalidArgument
from sampan.lib.records import Record

MAX_FILE_BYTES = 16 * 2**20


class TreeOptions(Record, frozen=True, kw_only=True):
    interpolate: bool = True
    resolve_paths: bool = True
    stdin: str = ""
    home: str = ""  # what ~ means


class TreeLoader:
    def __init__(self, options: TreeOptions, notes: Notes) -> None:
        self._options = options
        self._notes = notes
        self._bases: dict[str, Base] = {}
        self._root = ""

    def load(
        self,
        files: tuple[str, ...],
        directory: FilePath,
        environment: Mapping[str, str],
        trail: tuple[str, ...] = (),
    ) -> dict[str, Any]:
        """The tree of all files together; raises ComposeError.

        `trail` are the files that include these.
        """
        self._root = self._root or str(directory)
        tree: dict[str, Any] = {}
        for file in files:
            for document in self._documents(file):
                try:
                    tree = self._add(tree, document, directory, environment, trail)
                except BadKey as error:
                    raise self._notes.located(error) from error
        try:
            set_defaults(tree)
            check_tree(tree)
            if trail or self._options.resolve_paths:
                Resolver(self._shown(directory), self._options.home).resolve(tree)
        except BadKey as error:
            raise self._notes.located(error) from error
        return tree

    def _shown(self, directory: FilePath) -> str:
        """Where paths of files in `directory` begin: without resolving, relative to the project."""
        if self._options.resolve_paths:
            return str(directory)
        return os.path.relpath(directory, self._root)

    def _documents(self, file: str) -> list[Document]:
        documents = list(read_documents(self.text(file), file))
        for document in documents:
            self._notes.add(document)
        return documents

    def text(self, file: str) -> str:
        if file == "-":
            return self._options.stdin
        try:
            with FilePath(file).open("rb") as stream:
                content = stream.read(MAX_FILE_BYTES + 1)
        except FileNotFoundError as error:
            raise FileMissing(f"open {file}: no such file or directory") from error
        except OSError as error:
            raise InvalidArgument(f"read {file}: {error.strerror}") from error
        if len(content) > MAX_FILE_BYTES:
            raise InvalidArgument(f"{file} is larger than {MAX_FILE_BYTES >> 20} MB")
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InvalidArgument(f"{file} is not UTF-8: {error.reason}") from error

    def _raw(self, document: Document, environment: Mapping[str, str]) -> dict[str, Any]:
        tree = document.tree
        if tree is None:
            return {}
        if not isinstance(tree, dict):
            raise BadKey((), f"{document.file}: top-level object must be a mapping", whole=True)
        if self._options.interpolate:
            tree = interpolate(tree, environment.get, self._notes.warn)
        self._check(tree, document, duplicates=True)  # merging drops duplicates
        return copy.deepcopy(tree)

    def _check(self, tree: Any, document: Document, *, duplicates: bool = False) -> None:
        try:
            schema.check(tree, duplicates=duplicates)
        except BadKey as error:
            raise self._notes.located(error, f"validating {document.file}: ") from error

    def _add(
        self,
        tree: dict[str, Any],
        document: Document,
        directory: FilePath,
        environment: Mapping[str, str],
        trail: tuple[str, ...],
    ) -> dict[str, Any]:
        found = self._raw(document, environment)
        resets = tuple(document.resets)
        self._extend(found, document, directory, environment)
        reset(tree, resets)
        trail = (*trail, document.file)
        apply_include(
            found, directory, environment, trail, lambda each: self._included(each, trail)
        )
        merged: dict[str, Any] = unique(merge(tree, found))
        self._check(merged, document)
        if "version" in merged:
            del merged["version"]
            self._notes.warn(
                f"{document.file}: the attribute `version` is obsolete, it will be ignored, "
                "please remove it to avoid potential confusion"
            )
        return self._canonical(merged)

    def _canonical(self, tree: dict[str, Any]) -> dict[str, Any]:
        run = Canonical(lenient=not self._options.interpolate)
        tree = run.tree(tree)
        for warning in run.warnings:
            self._notes.warn(warning)
        drop_empty(tree)
        found: dict[str, Any] = unique(tree)
        return found

    def _included(self, included: Included, trail: tuple[str, ...]) -> dict[str, Any]:
        return self.load(included.files, included.directory, included.environment, trail)

    def _extend(
        self,
        tree: dict[str, Any],
        document: Document,
        directory: FilePath,
        environment: Mapping[str, str],
    ) -> None:
        services = tree.get("services")
        if services is None:
            return
        if not isinstance(services, dict):
            raise BadKey(("services",), "services must be a mapping", whole=True)
        here = Base(document.file, services, tuple(document.resets))
        apply_extends(here, lambda file: self._base(file, directory, environment))

    def _base(self, file: str, directory: FilePath, environment: Mapping[str, str]) -> Base:
        """The services of a file that another extends: canonical, with absolute paths."""
        refuse_remote(file)
        place = str(directory / file)
        if place not in self._bases:
            tree: dict[str, Any] = {}
            resets: list[Any] = []
            for document in self._documents(place):
                found = self._raw(document, environment)
                reset(tree, tuple(document.resets))
                resets += document.resets
                tree = self._canonical(unique(merge(tree, found)))
            services = tree.get("services")
            if not isinstance(services, dict):
                problem = f"cannot extend a service of {place}: no services section"
                raise BadKey(("services",), problem, whole=True)
            Resolver(self._shown(FilePath(place).parent), self._options.home).resolve(tree)
            self._bases[place] = Base(place, services, tuple(resets))
        return self._bases[place]
