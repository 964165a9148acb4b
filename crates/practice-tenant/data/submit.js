// Hands the form on the page over; without scripts its button does.
document.getElementById("hand-over").submit();
