"""The door for people: Streamlit pages over `core.services`. No business logic lives here."""
