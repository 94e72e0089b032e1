"""Given names that are common in several languages, and words of the same shape that are no names."""

from __future__ import annotations

_NAMES = """
aaron abigail adam adrian agnes ahmed aisha akira alan albert alejandro alessandro alex alexander alexandra alexis ali
alice alicia alina alison allison amanda amber amelia amina amir amy ana andrea andreas andrei andrew andrzej angela
anita anja ann anna anne annika anthony antoine antonia antonio anton arjun arthur asha ashley astrid audrey ayesha
barbara beatrice beatriz ben benjamin bernard bernd beth betty beverly bianca bjorn brandon brenda brian brittany bruno
bruce bryan caleb camille carl carla carlos carmen carol caroline caterina catherine cecilia charles charlotte chen
chiara chloe chris christian christina christine christopher cindy clara claire claudia claude colin connor craig
cristina cynthia daisuke dan daniel daniela danielle david deborah dennis derek diana diane diego dieter dimitri
dmitri dominik donald donna dorothy douglas dylan eduardo edward elena eleanor elias elisa elizabeth ella ellen emily
emma emre eric erica erik erin ernesto esther ethan eugene eva evan evelyn fabian fabio fatima federico felix fernando
filip fiona florian francesca francesco francis francisco frank franz frederic friedrich gabriel gabriela gary gemma
geoffrey george georgia gerald gerhard gianluca gina giorgio giovanni giulia gloria gonzalo gordon greg gregory guido
guillaume gustavo hana hannah hans harold harry hassan heather heidi heinrich heinz helen helena henrik henry hiroshi
howard hugo ian ibrahim ines ingrid irene irina isaac isabel isabella ivan jack jackie jacob jacqueline jaime jakob
jakub james jamie jan jane janet janice jason javier jean jeffrey jeff jennifer jenny jeremy jerry jesse jessica jesus
jill jim jimmy joan joanna joao joe joel johan johanna johannes john johnny jonas jonathan jordan jorge jose josef
joseph joshua joyce juan juanita judith judy julia julian julie juliette jun jurgen justin kaito karen karin karl
karolina kate katarzyna katherine kathleen kathryn katie katja keiko keith kelly ken kenji kenneth kevin khalid kim
kimberly klaus krzysztof kumar kyle larry lars laura lauren laurent lea leah lena leo leon leonardo leonie leslie
liam lily linda lisa logan lorenzo louis louise luca lucas lucia lucy luigi luis luisa lukas luke madison magdalena
malik manuel marc marcel marco marcus margaret maria marie marina mario marion marta martha martin martina mary
masako mateo mathieu matteo matthew matthias maurice max maximilian maya megan mehmet mei melanie melissa mia michael
michal michel michelle miguel mike mikhail mohamed mohammed mohammad monica monika muhammad nadia nancy naomi natalia
natalie natasha nathan nathalie neha neil nicholas nick nicola nicolas nicole nigel nikolai nina noah nora norman olga
oliver olivia omar oscar pablo pamela paolo patricia patrick patrizia paul paula pauline pedro peggy peter petra
philip philippe phillip pierre piotr priya rachel rafael rahul rajesh ralph ramon raquel raymond rebecca renate
ricardo riccardo richard rita robert roberta roberto robin rodrigo roger roland roman ronald rosa rosemary roxana roy
ruben russell ruth ryan sabine sakura salma sam samantha samuel sandra sanjay santiago sara sarah satoshi scott sean
sebastian sergei sergio shannon sharon sheila shirley silvia simon simone sofia sonia sophia sophie stacy stanislav
stefan stefania stefano stephanie stephen steve steven stuart sunil susan susanne suzanne sven sylvia takashi tamara
tanya tatiana ted teresa terry theodore theresa thierry thomas tiffany tim timothy tina tobias todd tom tomasz tommy
tony tracy travis tyler ursula valentina valeria vanessa vera veronica victor victoria vikram vincent viktor virginia
vladimir walter wang wayne wei wendy werner william wolfgang xavier yan yasmin yolanda youssef yuki yuko yusuf yves
yvonne zachary zainab zhang zoe
"""
GIVEN_NAMES = frozenset(_NAMES.split())
# Capitalised, and after a cue or a given name no part of a person's name.
_OTHERS = """
a about after all also always an and any are as at back be because been but by can could do does done fine for
friday from going good great happy have he hello her here hi his how i if in interested is it its just like
looking may me monday more my no not now of ok okay on or our please really saturday she so sorry still sunday
sure tell thank thanks that the their then there they this thursday to today tomorrow too trying tuesday unable
very want was we wednesday well what when where which who why will with would yes you your
january february march april june july august september october november december
i'm i'd i'll i've it's that's what's don't let's i’m i’d i’ll i’ve it’s
street road avenue city hotel station airport restaurant airlines bank street christmas easter
"""
NO_NAMES = frozenset(_OTHERS.split())
