// SPDX-License-Identifier: MIT
/// @file
/// The vocabulary of the two embedded domains.  `general` is what the miniature is trained on, `clinical`
/// (in the spirit of the mental-health knowledge graph R1-RE is evaluated on: drugs, diseases, methods,
/// risk factors, signs, physiology, regions) is what it must read a new guideline for.  They share the
/// frames and function words, and no other word: a test proves it on the committed files.
#pragma once

#include "task.hpp"
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace r1_re::embedded {

/// A relation and the words that may fill its two roles (at least 24 each).
struct relation_source {
  relation_spec spec;
  std::vector<std::string> first, second;
};

/// A guideline with its vocabulary.
struct domain {
  std::string name;
  std::vector<relation_source> relations;
  std::vector<std::string> distractors, modifiers;
};

/// How direction is decided, in words; the same in every embedded guideline.
inline constexpr char direction_rule[] =
    "Name(e1,e2) if e1 acts on e2; Name(e2,e1) if e2 acts on e1, as in passives and in \"e1 that the e2 ...\".";

/// The guideline alone.
[[nodiscard]] inline std::vector<relation_spec> guideline_of(domain const& domain) {
  std::vector<relation_spec> relations;
  for (auto const& relation : domain.relations) {
    relations.push_back(relation.spec);
  }
  return relations;
}

/// Splits at any of `separators`; empty pieces vanish.
[[nodiscard]] inline std::vector<std::string> split_words(std::string_view text, std::string_view separators = " ") {
  std::vector<std::string> pieces;
  for (std::size_t at = text.find_first_not_of(separators); at != std::string_view::npos;) {
    auto const end = std::min(text.find_first_of(separators, at), text.size());
    pieces.emplace_back(text.substr(at, end - at));
    at = text.find_first_not_of(separators, end);
  }
  return pieces;
}

/// Households, trades, nature, offices.
[[nodiscard]] inline domain general_domain() {
  auto const words = [](std::string_view text) { return split_words(text); };
  return {
      "general",
      {
          {{"Makes", "A person turns ingredients into a dish.", "person", "dish", words("baked cooked grilled")},
           words("cook baker grandmother grandfather aunt uncle chef butler maid neighbour hostess cousin nephew niece "
                 "waiter widow lodger brother sister caterer innkeeper housekeeper traveller farmhand"),
           words("bread cake pie soup stew pudding omelette pancake pasta dumpling roast biscuit pizza waffle tart "
                 "porridge curry risotto muffin casserole lasagne crumble flan pretzel")},
          {{"Holds", "A vessel has a thing inside it.", "vessel", "thing", words("contained enclosed stored")},
           words("basket jar box drawer barrel crate sack chest cupboard bucket envelope suitcase trunk pouch bottle "
                 "tin bowl wallet locker pot tray bin casket carton"),
           words(
               "apple button coin pencil marble flour honey nail candle ticket sugar rice glove bead ribbon salt sock "
               "key tea coal spoon pea cork feather")},
          {{"Moves", "A vehicle or animal brings a load elsewhere.", "carrier", "load",
            words("carried hauled transported")},
           words("cart truck ferry wagon train barge sled van lorry donkey ship tractor trolley canoe horse mule camel "
                 "bus tram raft porter bicycle helicopter freighter"),
           words("timber gravel brick luggage mail hay sand furniture milk stone log grain passenger cement parcel "
                 "potato fuel steel livestock turnip barley pipe cotton granite")},
          {{"Owns", "A proprietor possesses real estate.", "proprietor", "estate", words("owned inherited purchased")},
           words("farmer landlord merchant duke banker heiress sailor colonel baron lawyer mayor actor writer shepherd "
                 "countess publisher tycoon bishop squire jeweller broker settler knight gardener"),
           words("house farm orchard vineyard cottage mansion shop meadow castle mill garage yacht tavern bakery hotel "
                 "warehouse stable pasture bookshop lodge villa ranch windmill quarry")},
          {{"Teaches", "A mentor passes a skill on to a learner.", "mentor", "learner",
            words("coached tutored instructed")},
           words(
               "teacher professor trainer captain headmaster choirmaster sergeant governess monk lecturer scholar "
               "librarian musician dancer veteran champion conductor director manager guide pianist foreman poet nun"),
           words("pupil apprentice beginner recruit orphan choir class team novice youngster trainee boy girl twin son "
                 "daughter scout cadet swimmer runner singer violinist goalkeeper prince")},
          {{"Harms", "A force of nature spoils a structure or field.", "force", "structure",
            words("damaged flattened ruined")},
           words(
               "storm flood frost hail gale drought wildfire blizzard earthquake landslide lightning tornado hurricane "
               "avalanche thunder wave swarm downpour heatwave fire explosion mudslide wind whirlwind"),
           words("roof bridge harvest wheat fence barn greenhouse hedge crop chimney road dam tower hut shed wall "
                 "lighthouse canopy plantation vine pavement tent pier porch")},
          {{"Repairs", "A tradesman makes a broken device work again.", "tradesman", "device",
            words("repaired mended restored")},
           words("plumber electrician carpenter mechanic mason roofer locksmith tailor cobbler blacksmith glazier "
                 "painter "
                 "tiler joiner tinker welder watchmaker plasterer saddler upholsterer handyman builder decorator "
                 "potter"),
           words(
               "clock tap boiler radio gate stove lamp engine chair violin sofa window saddle piano kettle pump mirror "
               "carriage typewriter staircase shutter door telescope toaster")},
          {{"Describes", "A text has a subject that it is about.", "text", "subject",
            words("described discussed mentioned")},
           words("letter memo poem novel article essay diary leaflet brochure speech postcard song manual ballad "
                 "biography newspaper catalogue telegram lecture sermon booklet chronicle pamphlet documentary"),
           words(
               "festival voyage battle wedding election budget meeting journey strike holiday schedule contest revolt "
               "merger lawsuit expedition exhibition parade treaty dispute reunion auction scandal concert")},
      },
      split_words("in the morning|before sunset|near the harbour|at the market|with great patience|in the village|"
                  "during the summer|at midnight|behind the church|after lunch|beside the river|without any help|"
                  "for the guests|in early spring|across the valley|at the station|with some pride|for a tiny fee|"
                  "in the kitchen|throughout the winter",
                  "|"),
      words("old new local famous large little ordinary remarkable forgotten charming"),
  };
}

/// Diseases, drugs, methods, risk factors, signs, physiology, regions.
[[nodiscard]] inline domain clinical_domain() {
  auto const words = [](std::string_view text) { return split_words(text); };
  return {
      "clinical",
      {
          {{"Treats", "A drug eases or heals a disease.", "drug", "disease", words("treated relieved cured")},
           words("sertraline lithium fluoxetine haloperidol aspirin ibuprofen metformin insulin warfarin penicillin "
                 "ketamine diazepam clozapine morphine quetiapine prednisone naloxone amoxicillin statin codeine "
                 "lorazepam melatonin methadone bupropion"),
           words("depression schizophrenia asthma diabetes epilepsy migraine dementia pneumonia arthritis psoriasis "
                 "anaemia hepatitis hypertension insomnia autism bulimia anorexia eczema gout malaria sepsis stroke "
                 "psychosis mania")},
          {{"Diagnoses", "An examination establishes a disorder.", "examination", "disorder",
            words("detected identified confirmed")},
           words("biopsy ultrasound tomography endoscopy questionnaire electrocardiogram radiograph screening swab "
                 "spirometry colonoscopy culture urinalysis mammogram serology polysomnography echocardiogram "
                 "angiography laparoscopy cytology auscultation percussion dermatoscopy sonography"),
           words("tuberculosis leukaemia endometriosis fracture pneumothorax scoliosis narcolepsy apnoea glaucoma "
                 "influenza measles rubella syphilis cholera meningitis encephalitis sclerosis cirrhosis arrhythmia "
                 "coeliac hernia osteoporosis neuropathy lupus")},
          {{"Predisposes", "A hazard raises the odds of a syndrome.", "hazard", "syndrome",
            words("promoted triggered worsened")},
           words("smoking obesity alcohol stress trauma poverty loneliness bereavement cannabis inactivity pollution "
                 "ageing neglect unemployment malnutrition abuse asbestos radiation burnout cocaine sleeplessness "
                 "pregnancy dehydration menopause"),
           words("addiction agoraphobia delirium alcoholism claustrophobia hypochondria dissociation dysthymia "
                 "cyclothymia paranoia amnesia neurosis aphasia apraxia kleptomania pyromania somnambulism mutism "
                 "stuttering dyslexia dyscalculia hyperactivity catatonia anhedonia")},
          {{"Signals", "A symptom points to an illness.", "symptom", "illness", words("indicated signalled preceded")},
           words("fever cough fatigue nausea rash tremor headache dizziness vomiting hallucination delusion anxiety "
                 "irritability swelling jaundice confusion shivering itching wheezing palpitation numbness seizure "
                 "weakness cramp"),
           words("appendicitis bronchitis gastritis colitis nephritis cystitis sinusitis tonsillitis otitis dermatitis "
                 "phlebitis pericarditis cholecystitis pancreatitis diverticulitis conjunctivitis rhinitis laryngitis "
                 "pleurisy shingles scabies tetanus botulism rabies")},
          {{"Regulates", "A hormone controls a bodily function.", "hormone", "function",
            words("regulated modulated stimulated")},
           words("cortisol dopamine serotonin oestrogen adrenaline thyroxine oxytocin leptin glucagon testosterone "
                 "prolactin ghrelin histamine aldosterone calcitonin progesterone vasopressin noradrenaline glutamate "
                 "acetylcholine renin gastrin orexin androgen"),
           words(
               "appetite sleep digestion metabolism heartbeat mood memory growth breathing ovulation lactation thirst "
               "arousal temperature circulation immunity fertility puberty sweating vigilance libido concentration "
               "coagulation respiration")},
          {{"Inhibits", "An agent weakens a molecular target.", "agent", "target",
            words("inhibited blocked suppressed")},
           words("antagonist antibody antidepressant antibiotic antihistamine antipsychotic antiviral sedative "
                 "anaesthetic vaccine steroid opioid benzodiazepine diuretic anticoagulant stimulant chelator toxin "
                 "nicotine caffeine tranquilliser barbiturate antifungal antacid"),
           words("receptor enzyme transporter virus bacterium synapse protein platelet kinase neuron antigen cytokine "
                 "channel thrombin lipase reuptake histone mitochondrion lymphocyte parasite plasmid peptide fungus "
                 "ribosome")},
          {{"Affects", "A lesion spreads through an organ.", "lesion", "organ",
            words("infiltrated invaded compressed")},
           words("tumour lymphoma melanoma carcinoma abscess infection inflammation fibrosis haemorrhage oedema "
                 "metastasis cyst ulcer thrombosis glioma sarcoma atrophy embolism necrosis ischaemia polyp clot "
                 "aneurysm adenoma"),
           words("liver lung kidney brain hippocampus spleen pancreas colon stomach heart bladder skin thyroid spine "
                 "cortex retina artery amygdala oesophagus bowel tonsil cerebellum prostate marrow")},
          {{"Prescribes", "A clinician orders a remedy.", "clinician", "remedy",
            words("prescribed administered recommended")},
           words("doctor nurse psychiatrist surgeon physician paediatrician oncologist neurologist cardiologist "
                 "pharmacist consultant practitioner paramedic midwife dermatologist therapist anaesthetist "
                 "radiologist urologist psychologist geriatrician intern registrar rheumatologist"),
           words("tablet ointment infusion inhaler antidote syrup capsule suppository lozenge sachet serum supplement "
                 "patch splint bandage psychotherapy physiotherapy dialysis transfusion chemotherapy enema vitamin "
                 "injection counselling")},
      },
      split_words("on the ward|during the admission|after the operation|at the clinic|before discharge|"
                  "in the hospital|with mild discomfort|in the trial|during the remission|without adverse effects|"
                  "in elderly patients|for the outpatients|within the cohort|under close supervision|"
                  "after the relapse|in acute cases|despite the comorbidity|throughout the treatment|"
                  "before the surgery|in intensive care",
                  "|"),
      words("severe chronic primary typical persistent atypical recurrent secondary moderate congenital"),
  };
}

}  // namespace r1_re::embedded
