"""Signing up, in and out."""

from aiohttp import web

from sampan.errors import AlreadyExists, InvalidArgument
from sampan.hub.accounts import sessions
from sampan.hub.accounts.logins import Attempt, WrongCredentials
from sampan.hub.accounts.names import check_email, check_namespace, check_password
from sampan.hub.accounts.throttle import TooManyAttempts
from sampan.hub.web.visit import Visit, local_path


async def show_login(visit: Visit) -> web.StreamResponse:
    if visit.caller.account is not None:
        return visit.redirect(local_path(visit.query("next", "/")))
    return visit.render("login.html", name="", next=local_path(visit.query("next", "/")), wrong="")


async def login(visit: Visit) -> web.StreamResponse:
    form = await visit.form()
    name, after = form.get("name", ""), local_path(form.get("next", "/"))
    attempt = Attempt(name, form.get("password", ""), visit.request.remote or "")
    services = visit.services
    try:
        _, session_id = await services.workers.run(services.logins.sign_in, attempt)
    except WrongCredentials as error:
        return visit.render("login.html", status=401, name=name, next=after, wrong=error.message)
    except TooManyAttempts as error:
        response = visit.render(
            "login.html", status=429, name=name, next=after, wrong=error.message
        )
        response.headers["Retry-After"] = str(error.wait_s)
        return response
    visit.sign_in(session_id)
    return visit.redirect(after)


async def logout(visit: Visit) -> web.StreamResponse:
    await visit.form()
    session_id = visit.session_id
    if session_id:
        await visit.write(lambda connection: sessions.close_session(connection, session_id))
    visit.sign_out()
    return visit.redirect("/", note="signed-out")


async def show_sign_up(visit: Visit) -> web.StreamResponse:
    if visit.caller.account is not None:
        return visit.redirect("/")
    visit.services.sign_ups.check_open()
    return visit.render("signup.html", name="", email="", field_name="", wrong="")


async def sign_up(visit: Visit) -> web.StreamResponse:
    form = await visit.form()
    services, sign_ups = visit.services, visit.services.sign_ups
    sign_ups.check_open()
    name, email = form.get("name", "").lower(), form.get("email", "")
    password = form.get("password", "")
    try:
        check_namespace(name)
        check_email(email)
        check_password(password, name=name)
        sign_ups.count(visit.request.remote or "")
        hashed = await services.workers.run(services.passwords.hash, password)
        account = await visit.write(
            lambda connection: sign_ups.create(connection, name, email=email, password_hash=hashed)
        )
    except (InvalidArgument, AlreadyExists) as error:
        field = getattr(error, "field", "name")
        return visit.render(
            "signup.html", status=400, name=name, email=email, field_name=field, wrong=error.message
        )
    if not account.is_active:
        return visit.redirect("/login", note="approval")
    visit.sign_in(await services.workers.run(services.logins.open_session, account))
    return visit.redirect("/", note="welcome")


ROUTES = (
    ("GET", "/login", show_login),
    ("POST", "/login", login),
    ("POST", "/logout", logout),
    ("GET", "/signup", show_sign_up),
    ("POST", "/signup", sign_up),
)
